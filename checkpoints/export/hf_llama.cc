#include <algorithm>
#include <vector>

#include <fmt/core.h>

#include "checkpoints/export/export_tensors.h"
#include "checkpoints/export/hf_parts.h"
#include "checkpoints/llama_tensors.h"

namespace tutti::checkpoints {
namespace {

using nlohmann::json;

const char* class_of(LlamaFamily family) {
  switch (family) {
    case LlamaFamily::kQwen2:
      return "Qwen2ForCausalLM";
    case LlamaFamily::kQwen3:
      return "Qwen3ForCausalLM";
    case LlamaFamily::kLlama:
      break;
  }
  return "LlamaForCausalLM";
}

constexpr std::string_view kDifferences =
    R"md(- Text of a title that spells a special or added token ("<|im_end|>", "<L0_17>") becomes that
  token in transformers and stays text in tutti. What the prompt spells is a token in both.
- A title that is no UTF-8 reads in tutti as if U+FFFD stood there.
)md";

}  // namespace

void write_hf_llama(const std::filesystem::path& path, const Checkpoint& checkpoint,
                    const LlamaConfig& llama) {
  ExportTensors model(checkpoint, llama.lora);
  const auto rows = [&](const char* name, int64_t num_rows) {
    return model.take_values({name, {num_rows, llama.hidden_size}});
  };
  std::vector<NamedTensor> tensors;
  for (const TensorShape& expected : llama_block_tensors(llama)) {
    tensors.push_back(model.take(expected));
  }
  std::vector<float> embedding = joined(rows("model.embed_tokens.weight", llama.text_rows),
                                        rows("id_embedding.weight", llama.read_ids()));
  embedding.resize(static_cast<size_t>(llama.vocab_size() * llama.hidden_size));  // unread tokens
  const std::vector<int64_t> shape{llama.vocab_size(), llama.hidden_size};
  tensors.push_back({"model.embed_tokens.weight", TensorType::kF32, shape, embedding.data()});
  std::vector<float> head;
  if (!llama.tie_word_embeddings) {
    const std::vector<float> nothing(static_cast<size_t>(llama.text_rows * llama.hidden_size));
    head =
        joined(llama.text_head ? rows("lm_head.text.weight", llama.text_rows) : std::span(nothing),
               rows("lm_head.id.weight", llama.id_tokens));
    tensors.push_back({"lm_head.weight", TensorType::kF32, shape, head.data()});
  }
  model.finish(class_of(llama.family));
  write_safetensors(path, std::move(tensors), {{"format", "pt"}});
}

json hf_llama_config(const LlamaConfig& llama, int64_t pad, const ExportSource& source) {
  json config = {{"architectures", {class_of(llama.family)}},
                 {"model_type", name_of(llama.family)},
                 {"vocab_size", llama.vocab_size()},
                 {"hidden_size", llama.hidden_size},
                 {"intermediate_size", llama.intermediate_size},
                 {"num_hidden_layers", llama.num_hidden_layers},
                 {"num_attention_heads", llama.num_attention_heads},
                 {"num_key_value_heads", llama.num_key_value_heads},
                 {"head_dim", llama.head_dim},
                 {"hidden_act", "silu"},
                 {"max_position_embeddings", llama.max_position_embeddings},
                 {"rms_norm_eps", llama.rms_norm_eps},
                 {"rope_theta", llama.rope_theta},
                 {"attention_bias", false},
                 {"attention_dropout", 0.0},
                 {"initializer_range", 0.02},
                 {"use_cache", true},
                 {"bos_token_id", nullptr},
                 {"eos_token_id", end_of_ids(source.ids.table, llama.text_rows, nullptr)},
                 {"pad_token_id", pad},
                 {"tie_word_embeddings", llama.tie_word_embeddings},
                 {"torch_dtype", "float32"},
                 {"tutti", hf_origin(source, llama.text_rows)}};
  if (llama.family == LlamaFamily::kLlama) {
    config["mlp_bias"] = false;
  } else {
    config["use_sliding_window"] = false;
  }
  if (const auto& scaling = llama.rope_scaling) {
    config["rope_scaling"] = {
        {"rope_type", "llama3"},
        {"factor", scaling->factor},
        {"low_freq_factor", scaling->low_freq_factor},
        {"high_freq_factor", scaling->high_freq_factor},
        {"original_max_position_embeddings", scaling->original_max_position_embeddings}};
  }
  return config;
}

std::string hf_llama_readme(const LlamaConfig& llama, const ExportSource& source) {
  const std::string model_class = class_of(llama.family);
  return hf_readme(
      {.model = fmt::format("A decoder-only {} of {} layers ({} head, fp32)", model_class,
                            llama.num_hidden_layers, llama.tie_word_embeddings ? "tied" : "untied"),
       .tokenizer_files = "`tokenizer.json`, `tokenizer_config.json`, "
                          "`special_tokens_map.json`, `added_tokens.json` | the "
                          "tokenizer, with ID tokens added (not special)",
       .loading = hf_loading(model_class),
       .is_decoder_only = true,
       .has_text_head = llama.tie_word_embeddings || llama.text_head,
       .differences = kDifferences},
      source);
}

}  // namespace tutti::checkpoints
