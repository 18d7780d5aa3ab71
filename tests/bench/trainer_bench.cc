// Our side of trainer_bench.py: training steps of a T5 on the playlists of a dataset.
//   trainer_bench pairs DATASET IDS VOCABULARY PLAYLISTS  prints these playlists as title tokens
//   and
//                                                         IDs, for the peer
//   trainer_bench step DATASET IDS VOCABULARY SHAPE PRECISION THREADS CHECKPOINT TITLES STEPS
//                                                         times steps of TITLES playlists
// See training_steps.h.
#include <algorithm>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "tests/bench/training_steps.h"
#include "trainer/models/t5.h"

namespace tutti::bench {
namespace {

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
  const bool is_bf16 = args[5] == "bf16", checkpoints_activations = args[7] == "1";
  const int64_t titles = std::stoll(args[8]), steps = std::stoll(args[9]);
  trainer::T5Model model(shape_of(args[4], ids.table, tokenizer));
  model.initialize(1);
  model.set_compute({.precision = is_bf16 ? trainer::Precision::kBf16 : trainer::Precision::kFp32,
                     .checkpoint_activations = checkpoints_activations});
  const auto playlists =
      read_playlists(dataset, tokenizer, std::min<int64_t>(1024, titles * (steps + kWarmUpSteps)));
  nlohmann::json result = time_steps(model, playlists, ids.table, trie, titles, steps);
  result.update({{"shape", args[4]},
                 {"precision", args[5]},
                 {"checkpoint_activations", checkpoints_activations}});
  fmt::print("{}\n", result.dump());
  return 0;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  return tutti::bench::run({argv + 1, argv + argc});
}
