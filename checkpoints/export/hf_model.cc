#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "checkpoints/bert_tensors.h"
#include "checkpoints/export/export_tensors.h"
#include "checkpoints/export/hf_parts.h"
#include "checkpoints/softmax.h"
#include "checkpoints/t5_tensors.h"

namespace tutti::checkpoints {

namespace {

// Special ids of T5 vocabularies; the decoder starts from the pad row.
constexpr int kPad = 0, kEos = 1;

// T5's text has an end of its own.
nlohmann::json eos_of(const T5Config& t5, const ids::IdTable& table) {
  return end_of_ids(table, t5.text_rows, t5.encoder ? nlohmann::json() : nlohmann::json(kEos));
}

nlohmann::json generation_config(nlohmann::json eos, int64_t pad, const ids::IdTable& table) {
  return {
      {"eos_token_id", std::move(eos)},
      {"pad_token_id", pad},
      {"max_new_tokens", table.id_length()},
      {"num_beams", 20},
      {"num_return_sequences", 20},
      {"length_penalty", 0.0},
      {"do_sample", false},
  };
}

}  // namespace

void write_hf_model(const std::filesystem::path& path, const Checkpoint& checkpoint,
                    const T5Config& t5) {
  ExportTensors model(checkpoint, t5.lora);
  const auto rows_of = [&](const char* name, int64_t num_rows) {
    return model.take_values({name, {num_rows, t5.d_model}});
  };
  std::vector<NamedTensor> tensors;
  for (const TensorShape& expected : t5_block_tensors(t5)) tensors.push_back(model.take(expected));
  if (t5.encoder) {
    for (const TensorShape& expected : bert_tensors(*t5.encoder)) {
      NamedTensor tensor = model.take({"bert." + expected.name, expected.shape});
      tensor.name = "encoder." + tensor.name;
      tensors.push_back(std::move(tensor));
    }
  }
  std::vector<float> shared =
      joined(rows_of("shared.weight", t5.text_rows), rows_of("id_embedding.weight", t5.read_ids()));
  shared.resize(static_cast<size_t>(t5.vocab_size() * t5.d_model));  // tokens that nobody reads
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
  model.finish("T5");
  const std::vector<int64_t> shape{t5.vocab_size(), t5.d_model};
  tensors.push_back({"shared.weight", TensorType::kF32, shape, shared.data()});
  tensors.push_back({"lm_head.weight", TensorType::kF32, shape, head.data()});
  write_safetensors(path, std::move(tensors), {{"format", "pt"}});
}

nlohmann::json hf_origin(const ExportSource& source, int64_t text_rows) {
  const Checkpoint& checkpoint = source.checkpoint;
  nlohmann::json levels = nlohmann::json::array();
  for (const ids::IdLevel& level : source.ids.table.levels) {
    levels.push_back(
        {{"first_token", text_rows + level.first_token}, {"num_tokens", level.num_tokens}});
  }
  return {{"softmax", name_of(softmax_of(checkpoint.state, checkpoint.path))},
          {"prompt", checkpoint.state.value("prompt", "{title}")},
          {"checkpoint", checkpoint.manifest.hash},
          {"id_table", source.ids.manifest.hash},
          {"dataset", source.dataset.hash},
          {"levels", levels}};
}

nlohmann::json hf_config(const T5Config& t5, const ExportSource& source) {
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
      {"tutti", hf_origin(source, t5.text_rows)},
  };
}

nlohmann::json hf_generation_config(const T5Config& t5, const ids::IdTable& table) {
  nlohmann::json config = generation_config(eos_of(t5, table), kPad, table);
  config["decoder_start_token_id"] = kPad;
  return config;
}

nlohmann::json hf_llama_generation_config(const LlamaConfig& llama, int64_t pad,
                                          const ids::IdTable& table) {
  return generation_config(end_of_ids(table, llama.text_rows, nullptr), pad, table);
}

nlohmann::json end_of_ids(const ids::IdTable& table, int64_t text_rows, nlohmann::json otherwise) {
  return table.is_text() ? nlohmann::json(text_rows + table.end_token()) : std::move(otherwise);
}

}  // namespace tutti::checkpoints
