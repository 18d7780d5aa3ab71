// Our side of time_to_quality_bench.py: the weights that both sides start from, and the hits of the
// peer's.
//   time_to_quality_bench start DATASET IDS VOCABULARY SEED FILE   writes the weights of a new
//   model as
//                                                                  transformers names them
//   time_to_quality_bench pairs DATASET IDS VOCABULARY COUNT FILE  title tokens and IDs of the
//   first COUNT
//                                                                  training playlists, a JSON line
//                                                                  each
//   time_to_quality_bench hits DATASET IDS VOCABULARY QUERIES FILE THREADS
//                                                                  validation hits@10 of such
//                                                                  weights, as tutti train measures
//                                                                  its own
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/evaluate/validator.h"
#include "trainer/id_rows.h"
#include "trainer/model_io.h"
#include "trainer/models/t5.h"

namespace tutti::bench {
namespace {

using checkpoints::NamedTensor;
using checkpoints::TensorType;

constexpr int kBeam = 16;  // that of tutti train's validation

// The small model of the recipes. A head for text as well: transformers has one matrix for both.
trainer::T5Config shape_of(const ids::IdTable& table, const data::Tokenizer& tokenizer) {
  trainer::T5Config config;
  config.text_rows = tokenizer.num_pieces();
  config.id_tokens = table.num_tokens();
  config.text_head = true;
  config.d_model = 128, config.d_kv = 32, config.num_heads = 4, config.d_ff = 384;
  config.num_layers = config.num_decoder_layers = 2;
  return config;
}

// transformers has one matrix where we have text rows and ID rows.
struct JoinedRows {
  const char *theirs, *text, *ids;
};
constexpr JoinedRows kJoined[] = {{"shared.weight", "shared.weight", "id_embedding.weight"},
                                  {"lm_head.weight", "lm_head.text.weight", "lm_head.id.weight"}};

std::span<const float> values_of(const NamedTensor& tensor) {
  return {static_cast<const float*>(tensor.data), static_cast<size_t>(tensor.num_elements())};
}

void write_start(trainer::T5Model& model, const ids::IdTable& table, uint64_t seed,
                 const std::string& path) {
  model.initialize(seed);
  trainer::start_id_rows_from_codebooks(model, table, seed);
  std::vector<NamedTensor> tensors = trainer::parameters_as_tensors(model);
  const auto take = [&](const char* name) {
    const auto at = std::find_if(tensors.begin(), tensors.end(),
                                 [&](const NamedTensor& t) { return t.name == name; });
    TUTTI_CHECK(at != tensors.end(), name);
    NamedTensor taken = std::move(*at);
    tensors.erase(at);
    return taken;
  };
  std::vector<std::vector<float>> rows;
  rows.reserve(std::size(kJoined));
  for (const auto& [theirs, text, ids] : kJoined) {
    const NamedTensor above = take(text), below = take(ids);
    std::vector<float>& joined = rows.emplace_back();
    joined.assign(values_of(above).begin(), values_of(above).end());
    joined.insert(joined.end(), values_of(below).begin(), values_of(below).end());
    tensors.push_back({theirs,
                       TensorType::kF32,
                       {above.shape[0] + below.shape[0], above.shape[1]},
                       joined.data()});
  }
  const trainer::T5Config& config = model.config();
  checkpoints::write_safetensors(path, std::move(tensors), {{"format", "pt"}});
  fmt::print("{}\n", nlohmann::json{{"text_rows", config.text_rows},
                                    {"id_tokens", config.id_tokens},
                                    {"d_model", config.d_model},
                                    {"d_kv", config.d_kv},
                                    {"num_heads", config.num_heads},
                                    {"d_ff", config.d_ff},
                                    {"num_layers", config.num_layers},
                                    {"num_decoder_layers", config.num_decoder_layers},
                                    {"parameters", model.num_parameters()}}
                         .dump());
}

void read_weights(trainer::T5Model& model, const std::string& path) {
  const auto file = checkpoints::SafetensorsFile::open(path);
  for (trainer::Parameter& p : model.parameters()) {
    const auto joined = std::find_if(std::begin(kJoined), std::end(kJoined), [&](const auto& j) {
      return p.name == j.text || p.name == j.ids;
    });
    const bool is_part = joined != std::end(kJoined);
    std::vector<int64_t> shape = p.shape;
    if (is_part) shape[0] = model.config().text_rows + model.config().id_tokens;
    const NamedTensor& theirs =
        file.require(is_part ? joined->theirs : p.name, TensorType::kF32, shape);
    std::span<const float> values = values_of(theirs);
    if (is_part) {
      values =
          p.name == joined->text ? values.first(p.value.numel()) : values.last(p.value.numel());
    }
    std::copy(values.begin(), values.end(), p.value.data_ptr<float>());
  }
}

// Normalised as the peer was trained: over all rows, text too.
void print_hits(const trainer::T5Model& model, const data::Dataset& dataset,
                const ids::IdTable& table, const data::Tokenizer& tokenizer, int64_t queries) {
  const ids::Trie trie = ids::build_trie(table);
  trainer::GenerativeRanker ranker(model, tokenizer, table, trie,
                                   {.beam = kBeam, .softmax = checkpoints::Softmax::kFull});
  const auto comm = make_single_communicator();
  const trainer::Validation found = trainer::Validator(dataset, queries).run(ranker, *comm);
  fmt::print("{}\n",
             nlohmann::json{{"hits_at_10", found.hits}, {"queries", found.num_queries}}.dump());
}

// The suffix of a path that is certain without it is left out: nobody needs to train it.
void write_pairs(const data::Dataset& dataset, const ids::IdTable& table,
                 const data::Tokenizer& tokenizer, int64_t count, const std::string& path) {
  const ids::Trie trie = ids::build_trie(table);
  const std::vector<int64_t> train = dataset.playlists_in(data::Part::kTrain);
  const int64_t num_read = std::min<int64_t>(count, std::ssize(train));
  std::string lines;
  int64_t pairs = 0;
  for (int64_t i = 0; i < num_read; ++i) {
    const data::PlaylistBlock block = dataset.read(train[i], train[i] + 1);
    nlohmann::json ids = nlohmann::json::array();
    for (const int32_t track : block.tracks_of(0)) {
      const auto id = table.id_of(track);
      int32_t node = 0;
      for (size_t k = 0; k + 1 < id.size(); ++k) node = trie.find(node, id[k]);
      const bool is_certain = trie.tokens_of(node).size() == 1;
      ids.push_back(std::vector<int32_t>(id.begin(), id.end() - (is_certain ? 1 : 0)));
      ++pairs;
    }
    const std::string_view title = dataset.titles().raw[block.titles[0]];
    lines += nlohmann::json{{"title", tokenizer.encode(title)}, {"ids", ids}}.dump() + '\n';
  }
  write_file(path, lines);
  fmt::print("{}\n", nlohmann::json{{"playlists", num_read}, {"pairs", pairs}}.dump());
}

int run(const std::vector<std::string>& args) {
  TUTTI_CHECK(args.size() >= 6, "arguments as in the head of this file");
  const data::Dataset dataset = data::Dataset::open(args[1]);
  const ids::LoadedIdTable ids = ids::read_id_table(args[2]);
  const data::Tokenizer tokenizer = data::Tokenizer::from_file(args[3]);
  if (args[0] == "pairs") {
    write_pairs(dataset, ids.table, tokenizer, std::stoll(args[4]), args[5]);
    return 0;
  }
  trainer::T5Model model(shape_of(ids.table, tokenizer));
  if (args[0] == "start") {
    write_start(model, ids.table, std::stoull(args[4]), args[5]);
    return 0;
  }
  TUTTI_CHECK(args[0] == "hits" && args.size() == 7);
  at::set_num_threads(std::stoi(args[6]));
  read_weights(model, args[5]);
  print_hits(model, dataset, ids.table, tokenizer, std::stoll(args[4]));
  return 0;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  return tutti::bench::run({argv + 1, argv + argc});
}
