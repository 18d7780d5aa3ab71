// Our side of llama_bench.py: training steps of a decoder-only base on the playlists of a dataset.
//   llama_bench pairs DATASET IDS BASE PLAYLISTS     prints them as prompt tokens and IDs, for the
//                                                    peer; last the base's path
//   llama_bench step DATASET IDS BASE PRECISION THREADS LORA_RANK TITLES STEPS
//                                                    times steps of TITLES playlists; rank 0: all
//                                                    weights train
// See training_steps.h. BASE: as --base.
#include <algorithm>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "launch/train/known_bases.h"
#include "tests/bench/training_steps.h"
#include "trainer/base_model.h"
#include "trainer/id_rows.h"
#include "trainer/models/llama.h"

namespace tutti::bench {
namespace {

constexpr const char* kPrompt = "{title}\n";  // what tutti train --base gives such a model

trainer::LlamaModel model_of(const checkpoints::LlamaSource& base, const ids::IdTable& table,
                             int64_t lora_rank) {
  checkpoints::LlamaConfig config =
      trainer::config_from_base(base, table.num_tokens(), checkpoints::Softmax::kLevel);
  if (lora_rank > 0) {
    config.lora = {
        .rank = lora_rank,
        .alpha = 16,
        .targets = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}};
  }
  trainer::LlamaModel model(config, trainer::TrainedPart::kAll, trainer::TextRows::kSparse);
  model.initialize(1);
  trainer::load_base(model, base);
  trainer::scale_id_rows_to_base(model);
  return model;
}

int run(const std::vector<std::string>& args) {
  TUTTI_CHECK(args.size() >= 5, "arguments as in the head of this file");
  const data::Dataset dataset = data::Dataset::open(args[1]);
  const ids::LoadedIdTable ids = ids::read_id_table(args[2]);
  const ids::Trie trie = ids::build_trie(ids.table);
  const std::filesystem::path path = launch::find_base(args[3]);
  const auto base = checkpoints::LlamaSource::open(path);
  data::Tokenizer tokenizer = data::Tokenizer::from_bytes(base.tokenizer_json(), path.string());
  tokenizer.set_prompt(kPrompt);
  if (args[0] == "pairs") {
    print_pairs(read_playlists(dataset, tokenizer, std::stoll(args[4])), ids.table, trie);
    fmt::print("{}\n", nlohmann::json{{"base", path.string()}}.dump());
    return 0;
  }
  TUTTI_CHECK(args[0] == "step" && args.size() == 9);
  at::set_num_threads(std::stoi(args[5]));
  keep_freed_memory();
  const int64_t titles = std::stoll(args[7]), steps = std::stoll(args[8]);
  trainer::LlamaModel model = model_of(base, ids.table, std::stoll(args[6]));
  model.set_compute(
      {.precision = args[4] == "bf16" ? trainer::Precision::kBf16 : trainer::Precision::kFp32});
  const auto playlists =
      read_playlists(dataset, tokenizer, std::min<int64_t>(1024, titles * (steps + kWarmUpSteps)));
  fmt::print("{}\n", time_steps(model, playlists, ids.table, trie, titles, steps).dump());
  return 0;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  return tutti::bench::run({argv + 1, argv + argc});
}
