#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "checkpoints/import/gguf.h"
#include "checkpoints/import/llama_parts.h"
#include "checkpoints/llama_tensors.h"

namespace tutti::checkpoints {
namespace {

constexpr std::array kFamilies = {LlamaFamily::kLlama, LlamaFamily::kQwen2, LlamaFamily::kQwen3};

LlamaFamily family_of(const GgufFile& file) {
  const std::string arch = file.text("general.architecture");
  const auto* known = std::find_if(kFamilies.begin(), kFamilies.end(),
                                   [&](LlamaFamily f) { return arch == name_of(f); });
  if (known == kFamilies.end()) {
    file.fail("key 'general.architecture'", arch, "llama, qwen2 or qwen3");
  }
  return *known;
}

LlamaConfig read_config(const GgufFile& file) {
  LlamaConfig llama;
  llama.family = family_of(file);
  const std::string arch = name_of(llama.family);
  const auto key = [&arch](const char* name) { return arch + "." + name; };
  llama.hidden_size = file.size(key("embedding_length"));
  llama.intermediate_size = file.size(key("feed_forward_length"));
  llama.num_hidden_layers = file.size(key("block_count"));
  llama.num_attention_heads = file.size(key("attention.head_count"));
  llama.num_key_value_heads = file.size(key("attention.head_count_kv"), llama.num_attention_heads);
  if (llama.num_attention_heads % llama.num_key_value_heads != 0) {
    file.fail(fmt::format("key '{}'", key("attention.head_count_kv")),
              fmt::format("{}", llama.num_key_value_heads),
              fmt::format("a divisor of the {} heads", llama.num_attention_heads));
  }
  llama.max_position_embeddings = file.size(key("context_length"));
  llama.rms_norm_eps = file.number(key("attention.layer_norm_rms_epsilon"));
  llama.rope_theta = file.number(key("rope.freq_base"), 10000.0);
  llama.head_dim = file.size(key("attention.key_length"),
                             std::max<int64_t>(llama.hidden_size / llama.num_attention_heads, 1));
  const auto require = [&](const char* name, int64_t expected) {
    const int64_t found = file.size(key(name), expected);
    if (found == expected) return;
    file.fail(fmt::format("key '{}'", key(name)), fmt::format("{}", found),
              fmt::format("{}, the width of a head", expected));
  };
  require("attention.value_length", llama.head_dim);
  require("rope.dimension_count", llama.head_dim);
  if (llama.head_dim % 2 != 0) {
    file.fail("width of a head", fmt::format("{}", llama.head_dim), "an even number");
  }
  const std::string scaling = file.text(key("rope.scaling.type"), "none");
  if (scaling != "none") {
    file.fail(fmt::format("key '{}'", key("rope.scaling.type")), scaling, "none",
              "give the model as a folder of Hugging Face transformers");
  }
  if (file.find(key("expert_count")) != nullptr) {
    file.fail(fmt::format("key '{}'", key("expert_count")), "a mixture of experts",
              "one feed-forward layer a block");
  }
  llama.qkv_bias = llama.family == LlamaFamily::kQwen2;
  llama.qk_norm = llama.family == LlamaFamily::kQwen3;
  llama.text_head = file.find_tensor("output.weight") != nullptr;
  llama.tie_word_embeddings = !llama.text_head;
  return llama;
}

// GGUF's name of a tensor of HF.
std::string gguf_name(const std::string& name) {
  static const std::map<std::string, std::string> kParts = {
      {"self_attn.q_proj", "attn_q"},          {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},          {"self_attn.o_proj", "attn_output"},
      {"self_attn.q_norm", "attn_q_norm"},     {"self_attn.k_norm", "attn_k_norm"},
      {"mlp.gate_proj", "ffn_gate"},           {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},           {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"}};
  if (name == "model.norm.weight") return "output_norm.weight";
  constexpr std::string_view kLayers = "model.layers.";
  const size_t part = name.find('.', kLayers.size()) + 1, end = name.rfind('.');
  return fmt::format("blk.{}{}{}", name.substr(kLayers.size(), part - kLayers.size()),
                     kParts.at(name.substr(part, end - part)), name.substr(end));
}

// GGUF's llama stores the rows of a head of q and k so that those which turn together are
// neighbours: row 2j + p of the file is row p * half + j of HF.
void to_hf_order(std::span<float> values, int64_t num_heads, int64_t head_dim, int64_t width) {
  std::vector<float> head(static_cast<size_t>(head_dim * width));
  const int64_t half = head_dim / 2;
  for (int64_t h = 0; h < num_heads; ++h) {
    const auto rows = values.subspan(static_cast<size_t>(h * head_dim * width), head.size());
    std::ranges::copy(rows, head.begin());
    for (int64_t row = 0; row < head_dim; ++row) {
      const int64_t from = 2 * (row % half) + row / half;
      std::copy_n(head.begin() + from * width, width, rows.begin() + row * width);
    }
  }
}

class TensorTaker {
 public:
  TensorTaker(std::shared_ptr<const GgufFile> file, LlamaParts& parts)
      : file_(std::move(file)), parts_(parts) {
    for (const GgufTensor& tensor : file_->tensors()) left_.emplace(tensor.name, &tensor);
  }

  void take(const TensorShape& expected, const std::string& stored_as) {
    const std::string shape = fmt::format("[{}]", fmt::join(expected.shape, ", "));
    const auto found = left_.find(stored_as);
    if (found == left_.end()) {
      file_->fail("tensor '" + stored_as + "'", "no such tensor", shape);
    }
    const GgufTensor& tensor = *found->second;
    if (tensor.shape != expected.shape) {
      file_->fail("tensor '" + stored_as + "'", fmt::format("[{}]", fmt::join(tensor.shape, ", ")),
                  shape);
    }
    left_.erase(found);
    SourceTensor source = {.name = expected.name, .shape = expected.shape, .copy_as_fp32 = {}};
    const int64_t num_heads = permuted_heads(expected.name);
    source.copy_as_fp32 = [&tensor, num_heads,
                           head_dim = parts_.config.head_dim](std::span<float> out) {
      checkpoints::copy_as_fp32(tensor, out);
      if (num_heads > 0) to_hf_order(out, num_heads, head_dim, tensor.shape.back());
    };
    parts_.tensors.push_back(std::move(source));
  }

  void finish() const {
    if (left_.empty()) return;
    const std::string& name = left_.begin()->first;
    if (name == "rope_freqs.weight") {
      file_->fail("tensor '" + name + "'", "stretched rotary positions", "plain ones",
                  "give the model as a folder of Hugging Face transformers, whose config says how "
                  "they are stretched");
    }
    file_->fail("tensor '" + name + "'", "a tensor that a model of this architecture does not have",
                "the tensors of a " + std::string(name_of(parts_.config.family)));
  }

 private:
  // Heads whose rows stand in GGUF's order, 0 for other tensors.
  int64_t permuted_heads(const std::string& name) const {
    if (parts_.config.family != LlamaFamily::kLlama) return 0;
    if (name.ends_with("self_attn.q_proj.weight")) return parts_.config.num_attention_heads;
    if (name.ends_with("self_attn.k_proj.weight")) return parts_.config.num_key_value_heads;
    return 0;
  }

  std::shared_ptr<const GgufFile> file_;
  LlamaParts& parts_;
  std::map<std::string, const GgufTensor*> left_;
};

}  // namespace

LlamaParts read_gguf_llama(const std::filesystem::path& path) {
  auto file = std::make_shared<GgufFile>(GgufFile::open(path));
  LlamaParts parts;
  parts.config = read_config(*file);
  const GgufTensor* embedding = file->find_tensor("token_embd.weight");
  parts.config.text_rows =
      embedding == nullptr || embedding->shape.empty() ? 1 : embedding->shape.front();
  const std::vector<int64_t> rows = {parts.config.text_rows, parts.config.hidden_size};

  TensorTaker taker(file, parts);
  taker.take({"model.embed_tokens.weight", rows}, "token_embd.weight");
  for (const TensorShape& expected : llama_block_tensors(parts.config)) {
    taker.take(expected, gguf_name(expected.name));
  }
  if (parts.config.text_head) taker.take({"lm_head.weight", rows}, "output.weight");
  taker.finish();
  parts.tokenizer_json = tokenizer_json_of(*file);
  check_tokenizer(parts.tokenizer_json, path.string(), parts.config.text_rows);
  parts.files = std::move(file);
  return parts;
}

}  // namespace tutti::checkpoints
