#include <array>
#include <cmath>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "checkpoints/bert_tensors.h"
#include "checkpoints/export/hf_parts.h"
#include "checkpoints/softmax.h"
#include "checkpoints/t5_tensors.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

// Special ids of T5 vocabularies; the decoder starts from the pad row.
constexpr int kPad = 0, kEos = 1;

// IDs that are text end with a token of theirs. Others end by their length; T5's text has an end of
// its own.
nlohmann::json eos_of(const T5Config& t5, const ids::IdTable& table) {
  if (table.is_text()) return t5.text_rows + table.end_token();
  return t5.encoder ? nlohmann::json() : nlohmann::json(kEos);
}

// Text and ID rows of one matrix [vocab_size, d_model].
std::vector<float> joined(std::span<const float> text, std::span<const float> ids) {
  std::vector<float> rows(text.begin(), text.end());
  rows.insert(rows.end(), ids.begin(), ids.end());
  return rows;
}

}  // namespace

void write_hf_model(const std::filesystem::path& path, const Checkpoint& checkpoint,
                    const T5Config& t5) {
  const ShardedTensors& model = checkpoint.model;
  std::set<std::string> taken;
  const auto rows_of = [&](const char* name, int64_t num_rows) {
    const std::array<int64_t, 2> shape{num_rows, t5.d_model};
    const NamedTensor& tensor = model.require(name, TensorType::kF32, shape);
    taken.insert(name);
    const auto* values = static_cast<const float*>(tensor.data);
    return std::span(values, static_cast<size_t>(tensor.num_elements()));
  };
  std::vector<NamedTensor> tensors;
  for (const TensorShape& expected : t5_block_tensors(t5)) {
    tensors.push_back(model.require(expected.name, TensorType::kF32, expected.shape));
    taken.insert(expected.name);
  }
  if (t5.encoder) {
    for (const TensorShape& expected : bert_tensors(*t5.encoder)) {
      const std::string name = "bert." + expected.name;
      NamedTensor tensor = model.require(name, TensorType::kF32, expected.shape);
      tensor.name = "encoder." + name;
      tensors.push_back(std::move(tensor));
      taken.insert(name);
    }
  }
  const std::vector<float> shared =
      joined(rows_of("shared.weight", t5.text_rows), rows_of("id_embedding.weight", t5.id_tokens));
  std::vector<float> head = shared;
  if (!t5.tie_word_embeddings) {
    const std::vector<float> nothing(static_cast<size_t>(t5.text_rows * t5.d_model));
    head = joined(t5.text_head ? rows_of("lm_head.text.weight", t5.text_rows) : std::span(nothing),
                  rows_of("lm_head.id.weight", t5.id_tokens));
  }
  if (t5.scale_decoder_outputs) {
    const auto scale = static_cast<float>(std::pow(static_cast<double>(t5.d_model), -0.5));
    for (float& value : head) value *= scale;
  }
  for (const NamedTensor& tensor : model.tensors()) {
    if (taken.contains(tensor.name)) continue;
    throw DataError(Problem{.file = (checkpoint.path / kModelFile).string(),
                            .place = "tensor '" + tensor.name + "'",
                            .found = "a tensor that T5 does not have",
                            .expected = "the tensors of the shape in state.json",
                            .cure = {}});
  }
  const std::vector<int64_t> shape{t5.vocab_size(), t5.d_model};
  tensors.push_back({"shared.weight", TensorType::kF32, shape, shared.data()});
  tensors.push_back({"lm_head.weight", TensorType::kF32, shape, head.data()});
  write_safetensors(path, std::move(tensors), {{"format", "pt"}});
}

nlohmann::json hf_config(const T5Config& t5, const ExportSource& source) {
  nlohmann::json levels = nlohmann::json::array();
  for (const ids::IdLevel& level : source.ids.table.levels) {
    levels.push_back(
        {{"first_token", t5.text_rows + level.first_token}, {"num_tokens", level.num_tokens}});
  }
  const bool is_gated = t5.feed_forward == FeedForwardForm::kGatedGelu;
  return {
      {"architectures", {"T5ForConditionalGeneration"}},
      {"model_type", "t5"},
      {"vocab_size", t5.vocab_size()},
      {"d_model", t5.d_model},
      {"d_kv", t5.d_kv},
      {"d_ff", t5.d_ff},
      {"num_heads", t5.num_heads},
      {"num_layers", t5.num_layers},
      {"num_decoder_layers", t5.num_decoder_layers},
      {"relative_attention_num_buckets", t5.relative_attention_num_buckets},
      {"relative_attention_max_distance", t5.relative_attention_max_distance},
      {"layer_norm_epsilon", t5.layer_norm_epsilon},
      {"feed_forward_proj", name_of(t5.feed_forward)},
      {"is_gated_act", is_gated},
      {"dense_act_fn", is_gated ? "gelu_new" : "relu"},
      {"dropout_rate", 0.0},
      {"initializer_factor", 1.0},
      {"is_encoder_decoder", true},
      {"use_cache", true},
      {"n_positions", 512},
      {"pad_token_id", kPad},
      {"eos_token_id", eos_of(t5, source.ids.table)},
      {"decoder_start_token_id", kPad},
      // Untied, both matrices written: the one form that all engines read alike.
      {"tie_word_embeddings", false},
      {"torch_dtype", "float32"},
      {"tutti",
       {{"softmax", name_of(softmax_of(source.checkpoint.state, source.checkpoint.path))},
        {"checkpoint", source.checkpoint.manifest.hash},
        {"id_table", source.ids.manifest.hash},
        {"dataset", source.dataset.hash},
        {"levels", levels}}},
  };
}

nlohmann::json hf_generation_config(const T5Config& t5, const ids::IdTable& table) {
  return {
      {"decoder_start_token_id", kPad},
      {"eos_token_id", eos_of(t5, table)},
      {"pad_token_id", kPad},
      {"max_new_tokens", table.id_length()},
      {"num_beams", 20},
      {"num_return_sequences", 20},
      {"length_penalty", 0.0},
      {"do_sample", false},
  };
}

}  // namespace tutti::checkpoints
