// Our side of trainer_bench.py: training steps of a T5 on the playlists of a dataset.
//   trainer_bench pairs DATASET IDS VOCABULARY PLAYLISTS  prints these playlists as title tokens
//   and
//                                                         IDs, for the peer
//   trainer_bench step DATASET IDS VOCABULARY SHAPE PRECISION THREADS CHECKPOINT TITLES STEPS
//                                                         times steps of TITLES playlists
// A step is all that a step of tutti train is but for the data: packing, forward, backward, norm,
// clipping, AdamW.
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "ids/gemm.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/adamw_kernel.h"
#include "trainer/loss.h"
#include "trainer/models/t5.h"
#include "trainer/optimizer.h"
#include "trainer/packing.h"

namespace tutti::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Playlist {
  std::vector<int32_t> title_tokens, tracks;
};

std::vector<Playlist> read_playlists(const data::Dataset& dataset, const data::Tokenizer& tokenizer,
                                     int64_t count) {
  const std::vector<int64_t> train = dataset.playlists_in(data::Part::kTrain);
  TUTTI_CHECK(std::ssize(train) >= count, "the dataset has so many training playlists");
  std::vector<Playlist> playlists;
  for (int64_t i = 0; i < count; ++i) {
    const data::PlaylistBlock block = dataset.read(train[i], train[i] + 1);
    const auto tracks = block.tracks_of(0);
    playlists.push_back({tokenizer.encode(dataset.titles().raw[block.titles[0]]),
                         std::vector<int32_t>(tracks.begin(), tracks.end())});
  }
  return playlists;
}

// Flan-T5's published shapes, and a small one of the demo. The text table has all rows of T5's
// vocabulary.
trainer::T5Config shape_of(const std::string& name, const ids::IdTable& table,
                           const data::Tokenizer& tokenizer) {
  trainer::T5Config config;
  config.text_rows = 32128;
  config.id_tokens = table.num_tokens();
  config.d_kv = 64;
  if (name == "flan-t5-small") {
    config.d_model = 512, config.num_heads = 6, config.d_ff = 1024;
    config.num_layers = config.num_decoder_layers = 8;
  } else if (name == "flan-t5-base") {
    config.d_model = 768, config.num_heads = 12, config.d_ff = 2048;
    config.num_layers = config.num_decoder_layers = 12;
  } else {
    TUTTI_CHECK(name == "demo", name);
    config.text_rows = tokenizer.num_pieces();
    config.d_model = 128, config.d_kv = 32, config.num_heads = 4, config.d_ff = 384;
    config.num_layers = config.num_decoder_layers = 2;
  }
  return config;
}

void print_pairs(const std::vector<Playlist>& playlists, const ids::IdTable& table,
                 const ids::Trie& trie) {
  for (const Playlist& p : playlists) {
    nlohmann::json ids = nlohmann::json::array();
    for (const int32_t track : p.tracks) {
      const auto id = table.id_of(track);
      std::vector<int32_t> tokens(id.begin(), id.end());
      int32_t node = 0;
      for (size_t i = 0; i + 1 < id.size(); ++i) node = trie.find(node, id[i]);
      if (trie.tokens_of(node).size() == 1) tokens.pop_back();  // certain: nobody needs to train it
      ids.push_back(tokens);
    }
    fmt::print("{}\n", nlohmann::json{{"title", p.title_tokens}, {"ids", ids}}.dump());
  }
  fmt::print("{}\n", nlohmann::json{{"id_tokens", table.num_tokens()}}.dump());
}

struct StepOptions {
  std::string shape;
  bool bf16, checkpoints_activations;
  int64_t titles, steps;
};

void time_steps(const std::vector<Playlist>& playlists, const ids::IdTable& table,
                const ids::Trie& trie, const data::Tokenizer& tokenizer,
                const StepOptions& options) {
  trainer::T5Model model(shape_of(options.shape, table, tokenizer));
  model.initialize(1);
  model.set_compute(
      {.precision = options.bf16 ? trainer::Precision::kBf16 : trainer::Precision::kFp32,
       .checkpoint_activations = options.checkpoints_activations});
  trainer::AdamW optimizer(model, {});
  trainer::Packer packer(table, trie, {});
  std::vector<trainer::TitleGroup> groups(options.titles);
  trainer::PackedBatch batch;
  constexpr int64_t kWarmUp = 3;  // memory is allocated, oneDNN compiles its kernels
  double seconds = 0, update_s = 0, pack_s = 0, loss = 0;
  int64_t pairs = 0, nodes = 0;
  for (int64_t step = 0; step < kWarmUp + options.steps; ++step) {
    if (step == kWarmUp) {
      ids::take_gemm_meter();
      seconds = update_s = pack_s = 0;
      pairs = nodes = 0;
    }
    const auto start = Clock::now();
    for (int64_t i = 0; i < options.titles; ++i) {
      const Playlist& p = playlists[(step * options.titles + i) % std::ssize(playlists)];
      groups[i] = {.title_tokens = p.title_tokens, .tracks = p.tracks};
    }
    packer.pack(groups, batch);
    pack_s += seconds_since(start);
    const at::Tensor mean = trainer::packed_loss(model, batch, table) / batch.weight;
    mean.backward();
    const auto updating = Clock::now();
    const at::Tensor grads = model.flat_grads();
    const double norm =
        std::sqrt(trainer::sum_of_squares(grads.const_data_ptr<float>(), grads.numel()));
    optimizer.step(1e-4, std::max(1.0, norm));
    update_s += seconds_since(updating);
    loss = mean.item<double>();
    seconds += seconds_since(start);
    pairs += batch.num_pairs;
    nodes += batch.num_nodes();
  }
  const ids::GemmMeter meter = ids::take_gemm_meter();
  const auto steps = static_cast<double>(options.steps);
  fmt::print(
      "{}\n",
      nlohmann::json{{"shape", options.shape},
                     {"precision", options.bf16 ? "bf16" : "fp32"},
                     {"checkpoint_activations", options.checkpoints_activations},
                     {"titles", options.titles},
                     {"pairs_per_s", static_cast<double>(pairs) / seconds},
                     {"steps_per_s", steps / seconds},
                     {"tracks_per_title",
                      static_cast<double>(pairs) / static_cast<double>(options.titles) / steps},
                     {"nodes_per_pair", static_cast<double>(nodes) / static_cast<double>(pairs)},
                     {"product_share", meter.seconds / seconds},
                     {"product_gflops", meter.flops / meter.seconds / 1e9},
                     {"step_gflops", meter.flops / seconds / 1e9},
                     {"update_share", update_s / seconds},
                     {"pack_share", pack_s / seconds},
                     {"parameters", model.num_parameters()},
                     {"peak_memory_mib", peak_memory_bytes() >> 20},
                     {"loss", loss}}
          .dump());
}

int run(const std::vector<std::string>& args) {
  TUTTI_CHECK(args.size() >= 5, "arguments as in the head of this file");
  const data::Dataset dataset = data::Dataset::open(args[1]);
  const ids::LoadedIdTable ids = ids::read_id_table(args[2]);
  const ids::Trie trie = ids::build_trie(ids.table);
  const data::Tokenizer tokenizer = data::Tokenizer::from_file(args[3]);
  if (args[0] == "pairs") {
    print_pairs(read_playlists(dataset, tokenizer, std::stoll(args[4])), ids.table, trie);
    return 0;
  }
  TUTTI_CHECK(args[0] == "step" && args.size() == 10);
  at::set_num_threads(std::stoi(args[6]));
  keep_freed_memory();
  const StepOptions options = {.shape = args[4],
                               .bf16 = args[5] == "bf16",
                               .checkpoints_activations = args[7] == "1",
                               .titles = std::stoll(args[8]),
                               .steps = std::stoll(args[9])};
  const int64_t needed = std::min<int64_t>(1024, options.titles * (options.steps + 3));
  time_steps(read_playlists(dataset, tokenizer, needed), ids.table, trie, tokenizer, options);
  return 0;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  return tutti::bench::run({argv + 1, argv + argc});
}
