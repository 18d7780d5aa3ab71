#include <array>
#include <set>
#include <vector>

#include <fmt/core.h>

#include "checkpoints/export/hf_parts.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

// Special ids of T5 vocabularies; the decoder starts from the pad row.
constexpr int kPad = 0, kEos = 1;

template <typename T>
T field_of(const Checkpoint& checkpoint, const nlohmann::json& object, const std::string& name) {
  const auto field = object.find(name);
  const bool is_right = field != object.end() && field->is_number() &&
                        (std::is_floating_point_v<T> || field->is_number_integer());
  if (is_right && field->template get<T>() > 0) return field->template get<T>();
  throw DataError(Problem{.file = (checkpoint.path / kStateFile).string(),
                          .place = "model, field '" + name + "'",
                          .found = field == object.end() ? "nothing" : field->dump(),
                          .expected = "a positive number",
                          .cure = {}});
}

std::string text_of(const nlohmann::json& object, const std::string& name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "nothing";
}

struct TensorShape {
  std::string name;
  std::vector<int64_t> shape;
};

// The tensors of HF's T5ForConditionalGeneration (gated, untied) but for the embeddings and the
// head.
std::vector<TensorShape> block_tensors(const T5Shape& t5) {
  const int64_t inner = t5.num_heads * t5.d_kv;
  std::vector<TensorShape> tensors;
  const auto attention = [&](const std::string& layer, const std::string& kind) {
    for (const char* in : {"q", "k", "v"}) {
      tensors.push_back({fmt::format("{}.{}.{}.weight", layer, kind, in), {inner, t5.d_model}});
    }
    tensors.push_back({fmt::format("{}.{}.o.weight", layer, kind), {t5.d_model, inner}});
    tensors.push_back({layer + ".layer_norm.weight", {t5.d_model}});
  };
  const auto feed_forward = [&](const std::string& layer) {
    tensors.push_back({layer + ".DenseReluDense.wi_0.weight", {t5.d_ff, t5.d_model}});
    tensors.push_back({layer + ".DenseReluDense.wi_1.weight", {t5.d_ff, t5.d_model}});
    tensors.push_back({layer + ".DenseReluDense.wo.weight", {t5.d_model, t5.d_ff}});
    tensors.push_back({layer + ".layer_norm.weight", {t5.d_model}});
  };
  for (const bool is_decoder : {false, true}) {
    const std::string stack = is_decoder ? "decoder" : "encoder";
    const int64_t num_blocks = is_decoder ? t5.num_decoder_layers : t5.num_layers;
    for (int64_t i = 0; i < num_blocks; ++i) {
      const std::string block = fmt::format("{}.block.{}.layer.", stack, i);
      attention(block + "0", "SelfAttention");
      if (i == 0) {
        tensors.push_back({block + "0.SelfAttention.relative_attention_bias.weight",
                           {t5.relative_attention_num_buckets, t5.num_heads}});
      }
      if (is_decoder) attention(block + "1", "EncDecAttention");
      feed_forward(block + (is_decoder ? "2" : "1"));
    }
    tensors.push_back({stack + ".final_layer_norm.weight", {t5.d_model}});
  }
  return tensors;
}

}  // namespace

T5Shape t5_shape_of(const Checkpoint& checkpoint) {
  const nlohmann::json model = checkpoint.state.value("model", nlohmann::json::object());
  if (const std::string arch = text_of(model, "arch"); arch != "t5") {
    throw DataError(Problem{.file = (checkpoint.path / kStateFile).string(),
                            .place = "model, field 'arch'",
                            .found = arch,
                            .expected = "t5",
                            .cure = "export in a format that knows this model"});
  }
  const auto size = [&](const char* name) { return field_of<int64_t>(checkpoint, model, name); };
  return {.text_rows = size("text_rows"),
          .id_tokens = size("id_tokens"),
          .d_model = size("d_model"),
          .d_kv = size("d_kv"),
          .num_heads = size("num_heads"),
          .d_ff = size("d_ff"),
          .num_layers = size("num_layers"),
          .num_decoder_layers = size("num_decoder_layers"),
          .relative_attention_num_buckets = size("relative_attention_num_buckets"),
          .relative_attention_max_distance = size("relative_attention_max_distance"),
          .layer_norm_epsilon = field_of<double>(checkpoint, model, "layer_norm_epsilon")};
}

std::string softmax_of(const Checkpoint& checkpoint) {
  std::string softmax = text_of(checkpoint.state, "softmax");
  if (softmax == "level" || softmax == "trie") return softmax;
  throw DataError(Problem{.file = (checkpoint.path / kStateFile).string(),
                          .place = "field 'softmax'",
                          .found = softmax,
                          .expected = "level or trie",
                          .cure = {}});
}

void write_hf_model(const std::filesystem::path& path, const Checkpoint& checkpoint,
                    const T5Shape& t5) {
  const SafetensorsFile& model = checkpoint.model;
  const auto rows_of = [&](const char* name, int64_t num_rows) {
    const std::array<int64_t, 2> shape{num_rows, t5.d_model};
    const NamedTensor& tensor = model.require(name, TensorType::kF32, shape);
    const auto* values = static_cast<const float*>(tensor.data);
    return std::span(values, static_cast<size_t>(tensor.num_elements()));
  };
  std::set<std::string> taken{"shared.weight", "id_embedding.weight", "lm_head.id.weight"};
  std::vector<NamedTensor> tensors;
  for (const TensorShape& expected : block_tensors(t5)) {
    tensors.push_back(model.require(expected.name, TensorType::kF32, expected.shape));
    taken.insert(expected.name);
  }
  for (const NamedTensor& tensor : model.tensors()) {
    if (taken.contains(tensor.name)) continue;
    throw DataError(Problem{.file = (checkpoint.path / kModelFile).string(),
                            .place = "tensor '" + tensor.name + "'",
                            .found = "a tensor that T5 does not have",
                            .expected = "the tensors of the shape in state.json",
                            .cure = {}});
  }

  const auto text = rows_of("shared.weight", t5.text_rows);
  const auto id_inputs = rows_of("id_embedding.weight", t5.id_tokens);
  const auto id_outputs = rows_of("lm_head.id.weight", t5.id_tokens);
  std::vector<float> shared(text.begin(), text.end());
  shared.insert(shared.end(), id_inputs.begin(), id_inputs.end());
  std::vector<float> head(text.size());
  head.insert(head.end(), id_outputs.begin(), id_outputs.end());
  const std::vector<int64_t> shape{t5.vocab_size(), t5.d_model};
  tensors.push_back({"shared.weight", TensorType::kF32, shape, shared.data()});
  tensors.push_back({"lm_head.weight", TensorType::kF32, shape, head.data()});
  write_safetensors(path, std::move(tensors), {{"format", "pt"}});
}

nlohmann::json hf_config(const T5Shape& t5, const ExportSource& source) {
  nlohmann::json levels = nlohmann::json::array();
  for (const ids::IdLevel& level : source.ids.table.levels) {
    levels.push_back(
        {{"first_token", t5.text_rows + level.first_token}, {"num_tokens", level.num_tokens}});
  }
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
      {"feed_forward_proj", "gated-gelu"},
      {"is_gated_act", true},
      {"dense_act_fn", "gelu_new"},
      {"dropout_rate", 0.0},
      {"initializer_factor", 1.0},
      {"is_encoder_decoder", true},
      {"use_cache", true},
      {"n_positions", 512},
      {"pad_token_id", kPad},
      {"eos_token_id", kEos},
      {"decoder_start_token_id", kPad},
      // Untied, both matrices written: the one form that all engines read alike.
      {"tie_word_embeddings", false},
      {"torch_dtype", "float32"},
      {"tutti",
       {{"softmax", softmax_of(source.checkpoint)},
        {"checkpoint", source.checkpoint.manifest.hash},
        {"id_table", source.ids.manifest.hash},
        {"dataset", source.dataset.hash},
        {"levels", levels}}},
  };
}

nlohmann::json hf_generation_config(const ids::IdTable& table) {
  return {
      {"decoder_start_token_id", kPad},
      {"eos_token_id", kEos},
      {"pad_token_id", kPad},
      {"max_new_tokens", table.id_length()},
      {"num_beams", 20},
      {"num_return_sequences", 20},
      {"length_penalty", 0.0},
      {"do_sample", false},
  };
}

}  // namespace tutti::checkpoints
