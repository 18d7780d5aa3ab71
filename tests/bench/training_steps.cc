#include "tests/bench/training_steps.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <fmt/core.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "ids/gemm.h"
#include "trainer/adamw_kernel.h"
#include "trainer/loss.h"
#include "trainer/optimizer.h"
#include "trainer/packing.h"

namespace tutti::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

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

nlohmann::json time_steps(trainer::IdModel& model, const std::vector<Playlist>& playlists,
                          const ids::IdTable& table, const ids::Trie& trie, int64_t titles,
                          int64_t steps) {
  trainer::AdamW optimizer(model, {});
  trainer::Packer packer(table, trie, {});
  std::vector<trainer::TitleGroup> groups(titles);
  trainer::PackedBatch batch;
  double seconds = 0, update_s = 0, pack_s = 0, loss = 0;
  int64_t pairs = 0, nodes = 0;
  for (int64_t step = 0; step < kWarmUpSteps + steps; ++step) {
    if (step == kWarmUpSteps) {
      ids::take_gemm_meter();
      seconds = update_s = pack_s = 0;
      pairs = nodes = 0;
    }
    const auto start = Clock::now();
    for (int64_t i = 0; i < titles; ++i) {
      const Playlist& p = playlists[(step * titles + i) % std::ssize(playlists)];
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
  const auto num_steps = static_cast<double>(steps);
  return {
      {"titles", titles},
      {"pairs_per_s", static_cast<double>(pairs) / seconds},
      {"steps_per_s", num_steps / seconds},
      {"tracks_per_title", static_cast<double>(pairs) / static_cast<double>(titles) / num_steps},
      {"nodes_per_pair", static_cast<double>(nodes) / static_cast<double>(pairs)},
      {"product_share", meter.seconds / seconds},
      {"product_gflops", meter.flops / meter.seconds / 1e9},
      {"step_gflops", meter.flops / seconds / 1e9},
      {"update_share", update_s / seconds},
      {"pack_share", pack_s / seconds},
      {"parameters", model.num_parameters()},
      {"peak_memory_mib", peak_memory_bytes() >> 20},
      {"loss", loss}};
}

}  // namespace tutti::bench
