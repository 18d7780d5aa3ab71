#include <gmock/gmock.h>

#include <deque>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/llama.h"
#include "checkpoints/llama_tensors.h"
#include "checkpoints/safetensors.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "tests/checkpoints/gguf_bytes.h"
#include "tests/checkpoints/tiny_tokenizers.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kRows = 270;  // more than the tokenizer's 260 pieces, as in Qwen

// A model whose values all differ, as a folder of HF or as a GGUF file.
class ImportLlama : public testing::Test {
 protected:
  ImportLlama() {
    config_ = {{"architectures", {"LlamaForCausalLM"}},
               {"model_type", "llama"},
               {"vocab_size", kRows},
               {"hidden_size", 8},
               {"intermediate_size", 6},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"head_dim", 4},
               {"max_position_embeddings", 64},
               {"rms_norm_eps", 1e-5},
               {"rope_theta", 5000.0},
               {"tie_word_embeddings", true},
               {"bos_token_id", 1}};
    shape_.text_rows = kRows;
    shape_.hidden_size = 8;
    shape_.intermediate_size = 6;
    shape_.num_attention_heads = 4;
    shape_.num_key_value_heads = 2;
    shape_.head_dim = 4;
    tokenizer_ = tiny_bpe_json();
  }

  // Makes the tensors anew.
  void make(bool has_head = false) {
    tensors_.clear();
    add("model.embed_tokens.weight", {kRows, 8});
    for (const TensorShape& t : llama_block_tensors(shape_)) add(t.name, t.shape);
    if (has_head) add("lm_head.weight", {kRows, 8});
  }
  void add(const std::string& name, std::vector<int64_t> shape) {
    NamedTensor tensor{name, TensorType::kF32, std::move(shape), nullptr};
    auto& values = values_.emplace_back(static_cast<size_t>(tensor.num_elements()));
    for (float& value : values) value = static_cast<float>(next_++);
    tensor.data = values.data();
    tensors_.push_back(tensor);
  }
  NamedTensor& tensor(const std::string& name) {
    for (NamedTensor& t : tensors_) {
      if (t.name == name) return t;
    }
    throw std::out_of_range(name);
  }
  LlamaSource open() {
    write_bytes(folder_ / "base/config.json", config_.dump());
    write_bytes(folder_ / "base/tokenizer.json", tokenizer_.dump());
    write_safetensors(folder_ / "base/model.safetensors", tensors_, {{"format", "pt"}});
    return LlamaSource::open(folder_ / "base");
  }
  std::string refusal() {
    return message_of<DataError>([this] { open(); });
  }
  void expect_all_tensors(const LlamaSource& source) {
    ASSERT_EQ(source.tensors().size(), tensors_.size());
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const SourceTensor& t = source.tensors()[i];
      EXPECT_EQ(t.name, tensors_[i].name);
      EXPECT_EQ(t.shape, tensors_[i].shape);
      std::vector<float> values(static_cast<size_t>(t.num_elements()));
      t.copy_as_fp32(values);
      const auto* expected = static_cast<const float*>(tensors_[i].data);
      EXPECT_TRUE(std::equal(values.begin(), values.end(), expected)) << t.name;
    }
  }

  // The same model as llama.cpp's converter writes it: names, and q and k of a Llama permuted
  // (reshape(heads, 2, rows / heads / 2, width).swapaxes(1, 2)).
  GgufBytes gguf(const std::string& arch) {
    GgufBytes file;
    file.add_text("general.architecture", arch);
    file.add_u32(arch + ".context_length", 64).add_u32(arch + ".embedding_length", 8);
    file.add_u32(arch + ".block_count", 2).add_u32(arch + ".feed_forward_length", 6);
    file.add_u32(arch + ".attention.head_count", 4).add_u32(arch + ".attention.head_count_kv", 2);
    file.add_u32(arch + ".attention.key_length", 4).add_u32(arch + ".attention.value_length", 4);
    file.add_f32(arch + ".attention.layer_norm_rms_epsilon", 1e-5F);
    file.add_f32(arch + ".rope.freq_base", 5000.0F).add_u32(arch + ".rope.dimension_count", 4);
    file.add_text("tokenizer.ggml.model", "gpt2");
    file.add_text("tokenizer.ggml.pre", arch == "llama" ? "smollm" : "qwen2");
    std::vector<std::string> tokens = tiny_bpe_tokens();
    std::vector<int32_t> types(tokens.size(), 1);
    types[0] = types[1] = 3;
    for (int64_t i = std::ssize(tokens); i < kRows; ++i) {
      tokens.push_back("[PAD" + std::to_string(i) + "]");
      types.push_back(5);
    }
    file.add_texts("tokenizer.ggml.tokens", tokens).add_i32s("tokenizer.ggml.token_type", types);
    file.add_texts("tokenizer.ggml.merges", tiny_bpe_merges());
    for (const NamedTensor& t : tensors_) {
      std::vector<uint64_t> dims(t.shape.rbegin(), t.shape.rend());
      const auto* values = static_cast<const float*>(t.data);
      std::vector<float> stored(values, values + t.num_elements());
      const bool is_q = t.name.ends_with("q_proj.weight"), is_k = t.name.ends_with("k_proj.weight");
      if (arch == "llama" && (is_q || is_k)) {
        const int64_t rows = t.shape[0], width = t.shape[1], heads = is_q ? 4 : 2;
        const int64_t half = rows / heads / 2;
        for (int64_t h = 0; h < heads; ++h) {
          for (int64_t j = 0; j < half; ++j) {
            for (int64_t p = 0; p < 2; ++p) {
              std::copy_n(values + ((h * 2 + p) * half + j) * width, width,
                          stored.begin() + ((h * half + j) * 2 + p) * width);
            }
          }
        }
      }
      file.add_f32_tensor(gguf_name_of(t.name), dims, stored);
    }
    return file;
  }
  static std::string gguf_name_of(std::string name) {
    const std::vector<std::pair<std::string, std::string>> parts = {
        {"model.embed_tokens", "token_embd"}, {"model.layers", "blk"},
        {"model.norm", "output_norm"},        {"lm_head", "output"},
        {"self_attn.q_proj", "attn_q"},       {"self_attn.k_proj", "attn_k"},
        {"self_attn.v_proj", "attn_v"},       {"self_attn.o_proj", "attn_output"},
        {"self_attn.q_norm", "attn_q_norm"},  {"self_attn.k_norm", "attn_k_norm"},
        {"mlp.gate_proj", "ffn_gate"},        {"mlp.up_proj", "ffn_up"},
        {"mlp.down_proj", "ffn_down"},        {"post_attention_layernorm", "ffn_norm"},
        {"input_layernorm", "attn_norm"}};
    for (const auto& [from, to] : parts) {
      if (const size_t at = name.find(from); at != std::string::npos)
        name.replace(at, from.size(), to);
    }
    return name;
  }
  LlamaSource open(const GgufBytes& file) {
    write_bytes(folder_ / "x.gguf", file.bytes());
    return LlamaSource::open(folder_ / "x.gguf");
  }
  std::string refusal(const GgufBytes& file) {
    return message_of<DataError>([&] { open(file); });
  }

  TempFolder folder_;
  json config_, tokenizer_;
  LlamaConfig shape_;
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<float>> values_;
  int next_ = 0;
};

TEST_F(ImportLlama, ReadsAFolderOfEachFamily) {
  make();
  const LlamaSource llama = open();
  EXPECT_EQ(llama.config().text_rows, kRows);
  EXPECT_EQ(llama.config().num_key_value_heads, 2);
  EXPECT_EQ(llama.config().rope_theta, 5000.0);
  EXPECT_TRUE(llama.config().tie_word_embeddings);
  EXPECT_FALSE(llama.config().text_head);
  EXPECT_FALSE(llama.config().rope_scaling);
  expect_all_tensors(llama);
  EXPECT_EQ(data::Tokenizer::from_bytes(llama.tokenizer_json(), "x").encode("rock"),
            (std::vector<int32_t>{258, 259}));

  config_["model_type"] = "qwen2";
  config_["architectures"] = {"Qwen2ForCausalLM"};
  config_["tie_word_embeddings"] = false;
  shape_.qkv_bias = true;
  make(/*has_head=*/true);
  const LlamaSource qwen2 = open();
  EXPECT_TRUE(qwen2.config().qkv_bias);
  EXPECT_TRUE(qwen2.config().text_head);
  expect_all_tensors(qwen2);

  config_["model_type"] = "qwen3";
  config_["architectures"] = {"Qwen3ForCausalLM"};
  config_["rope_parameters"] = {{"rope_theta", 1e6}, {"rope_type", "default"}};
  shape_.qkv_bias = false;
  shape_.qk_norm = true;
  make(/*has_head=*/true);
  const LlamaSource qwen3 = open();
  EXPECT_TRUE(qwen3.config().qk_norm);
  EXPECT_EQ(qwen3.config().rope_theta, 1e6);
  expect_all_tensors(qwen3);
}

TEST_F(ImportLlama, IgnoresACopyOfTheEmbeddingAndOldFrequencies) {
  make();
  NamedTensor copy = tensor("model.embed_tokens.weight");
  copy.name = "lm_head.weight";
  tensors_.push_back(copy);
  add("model.layers.1.self_attn.rotary_emb.inv_freq", {2});
  const LlamaSource source = open();
  std::vector<std::string> names;
  for (const auto& [name, reason] : source.ignored()) names.push_back(name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("lm_head.weight",
                                                   "model.layers.1.self_attn.rotary_emb.inv_freq"));
}

TEST_F(ImportLlama, ReadsTheStretchedPositionsOfLlama31) {
  make();
  config_["rope_scaling"] = {{"rope_type", "llama3"},
                             {"factor", 8.0},
                             {"low_freq_factor", 1.0},
                             {"high_freq_factor", 4.0},
                             {"original_max_position_embeddings", 8192}};
  LlamaConfig config = open().config();
  ASSERT_TRUE(config.rope_scaling);
  config.head_dim = 128;
  config.rope_theta = 500000;
  const std::vector<double> found = rope_inverse_frequencies(config);
  // transformers 4.57.6, _compute_llama3_parameters of this config, in fp32.
  EXPECT_NEAR(found[0], 1.0, 1e-7);
  EXPECT_NEAR(found[30] / 0.0013718936825171113, 1.0, 1e-5);
  EXPECT_NEAR(found[63] / 3.068925877869333e-07, 1.0, 1e-5);
}

TEST_F(ImportLlama, ReadsAGgufFileInTheOrderOfHuggingFace) {
  make();
  const LlamaSource llama = open(gguf("llama"));
  EXPECT_EQ(llama.config().text_rows, kRows);
  EXPECT_EQ(llama.config().head_dim, 4);
  EXPECT_EQ(llama.config().max_position_embeddings, 64);
  EXPECT_TRUE(llama.config().tie_word_embeddings);
  expect_all_tensors(llama);
  const data::Tokenizer tokenizer = data::Tokenizer::from_bytes(llama.tokenizer_json(), "x");
  EXPECT_EQ(tokenizer.num_pieces(), 260) << "rows that pad the embedding have no piece";
  EXPECT_EQ(tokenizer.encode("rock"), (std::vector<int32_t>{258, 259}));

  shape_.qk_norm = true;
  make(/*has_head=*/true);
  const LlamaSource qwen = open(gguf("qwen3"));
  EXPECT_TRUE(qwen.config().text_head);
  expect_all_tensors(qwen);
}

TEST_F(ImportLlama, RefusesAConfigThatItCannotFollow) {
  make();
  const json good = config_;
  const std::vector<std::pair<const char*, json>> wrong = {
      {"model_type", "mistral"},
      {"model_type", nullptr},
      {"architectures", {"LlamaModel"}},
      {"vocab_size", 0},
      {"vocab_size", 1e12},
      {"vocab_size", -5},
      {"hidden_size", "8"},
      {"hidden_size", nullptr},
      {"num_attention_heads", 3},
      {"num_key_value_heads", 3},
      {"head_dim", 3},
      {"rms_norm_eps", 0},
      {"rms_norm_eps", "small"},
      {"rope_theta", -1},
      {"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}},
      {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 4.0}}},
      {"rope_scaling", 2},
      {"hidden_act", "gelu"},
      {"attention_bias", true},
      {"mlp_bias", true},
      {"use_sliding_window", true},
      {"partial_rotary_factor", 0.5},
      {"layer_types", {"sliding_attention", "full_attention"}},
      {"tie_word_embeddings", "yes"},
      {"quantization_config", {{"bits", 4}}}};
  for (const auto& [field, value] : wrong) {
    config_ = good;
    config_[field] = value;
    const std::string name = field;
    EXPECT_THAT(refusal(), AllOf(HasSubstr("config.json"),
                                 HasSubstr(name == "num_attention_heads" ? "num_key_value" : name)))
        << field << " " << value;
  }
}

TEST_F(ImportLlama, RefusesTensorsThatAreNotThoseOfTheConfig) {
  make();
  NamedTensor& v = tensor("model.layers.0.self_attn.v_proj.weight");
  v.shape = {16, 4};
  EXPECT_THAT(refusal(), AllOf(HasSubstr(v.name), HasSubstr("[16, 4]"), HasSubstr("[8, 8]")));
  v.shape = {8, 8};
  add("model.layers.2.mlp.up_proj.weight", {6, 8});
  EXPECT_THAT(refusal(), HasSubstr("model.layers.2.mlp.up_proj.weight"));
  tensors_.pop_back();
  add("lm_head.weight", {kRows, 8});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("lm_head.weight"), HasSubstr("tie_word_embeddings")));
  tensors_.pop_back();
  config_["tie_word_embeddings"] = false;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("lm_head.weight"), HasSubstr("no such tensor")));
  config_["tie_word_embeddings"] = true;
  config_["hidden_size"] = 16;
  EXPECT_THAT(refusal(), HasSubstr("model.embed_tokens.weight"));
}

TEST_F(ImportLlama, RefusesATokenizerWithMorePiecesThanRows) {
  shape_.text_rows = 100;
  config_["vocab_size"] = 100;
  make();
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("tokenizer.json"), HasSubstr("260 pieces"), HasSubstr("100 rows")));
  std::filesystem::remove(folder_ / "base/tokenizer.json");
  EXPECT_THAT(message_of<DataError>([this] { LlamaSource::open(folder_ / "base"); }),
              AllOf(HasSubstr("tokenizer.json"), HasSubstr("no such file")));
}

TEST_F(ImportLlama, RefusesAGgufFileOfAnotherModel) {
  make();
  EXPECT_THAT(refusal(gguf("gemma")), AllOf(HasSubstr("general.architecture"), HasSubstr("gemma")));
  EXPECT_THAT(refusal(gguf("qwen2")), AllOf(HasSubstr("blk.0.attn_q.bias"), HasSubstr("no such")));
  GgufBytes file = gguf("llama");
  file.tensors.pop_back();
  EXPECT_THAT(refusal(file), HasSubstr("output_norm.weight"));
  file = gguf("llama");
  file.tensors[1].dims = {4, 32};
  EXPECT_THAT(refusal(file), AllOf(HasSubstr("blk.0.attn_q.weight"), HasSubstr("[32, 4]")));
  EXPECT_THAT(refusal(gguf("llama").add_f32_tensor("rope_freqs.weight", {2}, {1, 1})),
              HasSubstr("folder of Hugging Face"));
  EXPECT_THAT(refusal(gguf("llama").add_f32_tensor("blk.7.attn_q.weight", {2}, {1, 1})),
              HasSubstr("blk.7.attn_q.weight"));
  EXPECT_THAT(refusal(gguf("llama").add_text("llama.rope.scaling.type", "yarn")),
              HasSubstr("rope.scaling.type"));
  EXPECT_THAT(refusal(gguf("llama").add_u32("llama.expert_count", 8)), HasSubstr("experts"));
}

TEST_F(ImportLlama, RefusesAGgufTokenizerThatItCannotFollow) {
  make();
  const auto without = [&](const std::string& key, const std::function<void(GgufBytes&)>& put) {
    GgufBytes file = gguf("llama");
    file.remove(key);
    put(file);
    return refusal(file);
  };
  EXPECT_THAT(without("tokenizer.ggml.model",
                      [](GgufBytes& f) { f.add_text("tokenizer.ggml.model", "llama"); }),
              HasSubstr("byte-level BPE"));
  EXPECT_THAT(without("tokenizer.ggml.pre",
                      [](GgufBytes& f) { f.add_text("tokenizer.ggml.pre", "deepseek-llm"); }),
              HasSubstr("deepseek-llm"));
  EXPECT_THAT(without("tokenizer.ggml.pre", [](GgufBytes&) {}), HasSubstr("tokenizer.ggml.pre"));
  EXPECT_THAT(without("tokenizer.ggml.merges",
                      [](GgufBytes& f) { f.add_texts("tokenizer.ggml.merges", {"r zz"}); }),
              HasSubstr("merge 1"));
  EXPECT_THAT(without("tokenizer.ggml.token_type",
                      [](GgufBytes& f) {
                        f.add_i32s("tokenizer.ggml.token_type", {1, 2});
                      }),
              HasSubstr("one a token"));
  EXPECT_THAT(without("tokenizer.ggml.tokens",
                      [](GgufBytes& f) {
                        f.add_texts("tokenizer.ggml.tokens", std::vector<std::string>(kRows, "a"));
                      }),
              HasSubstr("no other token"));
  EXPECT_THAT(refusal(gguf("llama")
                          .add_flag("tokenizer.ggml.add_bos_token", true)
                          .add_u32("tokenizer.ggml.bos_token_id", 999)),
              HasSubstr("bos_token_id"));
}

TEST_F(ImportLlama, SaysOfAConfigWhatStateJsonNeeds) {
  LlamaConfig config = shape_;
  config.family = LlamaFamily::kQwen3;
  config.id_tokens = 9;
  config.rope_scaling = RopeScaling{.factor = 32, .original_max_position_embeddings = 4096};
  const json stored = to_json(config);
  EXPECT_EQ(to_json(llama_config_from_json(stored, "state.json")), stored);
  for (const char* field : {"arch", "family", "hidden_size", "rope_theta", "qk_norm"}) {
    json damaged = stored;
    damaged.erase(field);
    EXPECT_THAT(message_of<DataError>([&] { llama_config_from_json(damaged, "state.json"); }),
                AllOf(HasSubstr("state.json"), HasSubstr(field)));
  }
}

}  // namespace
}  // namespace tutti::checkpoints
