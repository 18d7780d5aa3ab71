#include <gmock/gmock.h>

#include <array>
#include <deque>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/hf.h"
#include "checkpoints/t5_tensors.h"
#include "dist/runtime/errors.h"
#include "tests/checkpoints/tiny_road.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

constexpr int64_t kTextRows = 400, kWidth = 4;

// A folder as save_pretrained writes it, of hand-made tensors: every value tells its tensor.
class ImportHf : public testing::Test {
 protected:
  ImportHf() {
    config_ = {{"architectures", {"T5ForConditionalGeneration"}},
               {"model_type", "t5"},
               {"vocab_size", kTextRows},
               {"d_model", kWidth},
               {"d_kv", 3},
               {"d_ff", 5},
               {"num_heads", 2},
               {"num_layers", 2},
               {"num_decoder_layers", 1},
               {"feed_forward_proj", "gated-gelu"},
               {"tie_word_embeddings", false},
               {"decoder_start_token_id", 0},
               {"num_beams", nullptr}};
    make_tensors(FeedForwardForm::kGatedGelu);
    add("lm_head.weight", {kTextRows, kWidth});
  }

  void make_tensors(FeedForwardForm form) {
    tensors_.clear();
    add("shared.weight", {kTextRows, kWidth});
    T5Config shape;
    shape.text_rows = kTextRows;
    shape.d_model = kWidth;
    shape.d_kv = 3;
    shape.num_heads = 2;
    shape.d_ff = 5;
    shape.num_layers = 2;
    shape.num_decoder_layers = 1;
    shape.feed_forward = form;
    for (const TensorShape& t : t5_block_tensors(shape)) add(t.name, t.shape);
  }
  void add(const std::string& name, std::vector<int64_t> shape) {
    NamedTensor tensor{name, TensorType::kF32, std::move(shape), nullptr};
    auto& values = values_.emplace_back(static_cast<size_t>(tensor.num_elements()),
                                        static_cast<float>(values_.size()));
    tensor.data = values.data();
    tensors_.push_back(tensor);
  }
  NamedTensor& tensor(const std::string& name) {
    for (NamedTensor& t : tensors_) {
      if (t.name == name) return t;
    }
    throw std::out_of_range(name);
  }
  void remove(const std::string& name) {
    std::erase_if(tensors_, [&](const NamedTensor& t) { return t.name == name; });
  }
  void copy(const std::string& from, const std::string& to) {
    NamedTensor second = tensor(from);
    second.name = to;
    tensors_.push_back(second);
  }

  // Writes the folder anew; `parts` > 1: as many files and an index.
  void write(size_t parts = 1) {
    std::filesystem::remove_all(folder_ / "base");
    write_bytes(folder_ / "base/config.json", config_.dump());
    if (with_vocabulary_) write_bytes(folder_ / "base/spiece.model", "bytes");
    if (parts == 1) {
      write_safetensors(folder_ / "base/model.safetensors", tensors_, {{"format", "pt"}});
      return;
    }
    index_ = {{"metadata", {{"total_size", 1}}}, {"weight_map", nlohmann::json::object()}};
    std::vector<std::vector<NamedTensor>> files(parts);
    for (size_t i = 0; i < tensors_.size(); ++i) {
      files[i % parts].push_back(tensors_[i]);
      index_["weight_map"][tensors_[i].name] = file_name(i % parts);
    }
    for (size_t f = 0; f < parts; ++f) {
      write_safetensors(folder_ / ("base/" + file_name(f)), files[f], {{"format", "pt"}});
    }
    write_bytes(folder_ / "base/model.safetensors.index.json", index_.dump());
  }
  static std::string file_name(size_t part) {
    return "model-0000" + std::to_string(part + 1) + "-of-00003.safetensors";
  }
  HfT5 open() { return HfT5::open(folder_ / "base"); }
  std::string refusal() {
    write();
    return message_of<DataError>([this] { open(); });
  }
  static std::vector<std::string> names_of(const std::vector<IgnoredTensor>& tensors) {
    std::vector<std::string> names;
    names.reserve(tensors.size());
    for (const auto& [name, reason] : tensors) names.push_back(name);
    return names;
  }

  TempFolder folder_;
  nlohmann::json config_, index_;
  bool with_vocabulary_ = true;
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<float>> values_;
};

TEST_F(ImportHf, ReadsTheUntiedGatedFormFromOneFileOrMany) {
  for (const size_t parts : {1, 3}) {
    write(parts);
    const HfT5 base = open();
    EXPECT_EQ(base.config().text_rows, kTextRows);
    EXPECT_EQ(base.config().id_tokens, 0);
    EXPECT_EQ(base.config().num_decoder_layers, 1);
    EXPECT_EQ(base.config().feed_forward, FeedForwardForm::kGatedGelu);
    EXPECT_EQ(base.config().relative_attention_num_buckets, 32) << "the default of transformers";
    EXPECT_FALSE(base.config().tie_word_embeddings);
    EXPECT_FALSE(base.config().scale_decoder_outputs);
    EXPECT_TRUE(base.config().text_head);
    EXPECT_TRUE(base.ignored().empty());
    ASSERT_EQ(base.tensors().size(), tensors_.size());
    for (const NamedTensor& t : base.tensors()) {
      std::vector<float> values(static_cast<size_t>(t.num_elements()));
      copy_as_fp32(t, values);
      EXPECT_EQ(values.front(), *static_cast<const float*>(tensor(t.name).data)) << t.name;
    }
  }
}

TEST_F(ImportHf, ReadsTheTiedReluForm) {
  config_.erase("feed_forward_proj");
  config_.erase("tie_word_embeddings");
  config_.erase("num_decoder_layers");
  config_["num_layers"] = 2;
  make_tensors(FeedForwardForm::kRelu);
  config_["num_decoder_layers"] = 1;
  copy("shared.weight", "lm_head.weight");
  copy("shared.weight", "encoder.embed_tokens.weight");
  add("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", {32, 2});
  write();
  const HfT5 base = open();
  EXPECT_EQ(base.config().feed_forward, FeedForwardForm::kRelu);
  EXPECT_TRUE(base.config().tie_word_embeddings);
  EXPECT_TRUE(base.config().scale_decoder_outputs);
  EXPECT_FALSE(base.config().text_head);
  EXPECT_THAT(names_of(base.ignored()),
              testing::UnorderedElementsAre(
                  "encoder.embed_tokens.weight", "lm_head.weight",
                  "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"));
}

TEST_F(ImportHf, TakesTheEmbeddingByAnyOfItsNames) {
  tensor("shared.weight").name = "decoder.embed_tokens.weight";
  write();
  EXPECT_EQ(open().tensors().front().name, "shared.weight");
}

// transformers 5 sets tie_word_embeddings always and says in another field whether to scale.
TEST_F(ImportHf, UntiesByTheFilesWhereTheConfigTellsTheScaleApart) {
  config_["tie_word_embeddings"] = true;
  config_["scale_decoder_outputs"] = false;
  write();
  EXPECT_FALSE(open().config().tie_word_embeddings);
  EXPECT_FALSE(open().config().scale_decoder_outputs);
  remove("lm_head.weight");
  write();
  EXPECT_TRUE(open().config().tie_word_embeddings);
}

TEST_F(ImportHf, ConvertsHalfPrecisionExactly) {
  const std::array<uint16_t, 6> fp16 = {0x3c00, 0xc000, 0x0001, 0x8000, 0x7c00, 0x7bff};
  const std::array<uint16_t, 2> bf16 = {0x3f80, 0xc2f7};
  std::array<float, 6> out{};
  copy_as_fp32({"x", TensorType::kF16, {6}, fp16.data()}, out);
  EXPECT_THAT(out, testing::ElementsAre(1.0F, -2.0F, std::ldexp(1.0F, -24), 0.0F,
                                        std::numeric_limits<float>::infinity(), 65504.0F));
  EXPECT_TRUE(std::signbit(out[3]));
  copy_as_fp32({"x", TensorType::kBF16, {2}, bf16.data()}, {out.data(), 2});
  EXPECT_EQ(out[0], 1.0F);
  EXPECT_EQ(out[1], -123.5F);
}

TEST_F(ImportHf, RefusesOtherArchitecturesByName) {
  config_["model_type"] = "mt5";
  EXPECT_THAT(refusal(), AllOf(HasSubstr("config.json"), HasSubstr("mt5")));
  config_["model_type"] = "t5";
  config_["architectures"] = {"T5EncoderModel"};
  EXPECT_THAT(refusal(), HasSubstr("T5EncoderModel"));
  config_.erase("architectures");
  EXPECT_THAT(refusal(), HasSubstr("architectures"));
}

TEST_F(ImportHf, RefusesAConfigThatItCannotFollow) {
  const nlohmann::json good = config_;
  const std::vector<std::pair<const char*, nlohmann::json>> wrong = {
      {"model_type", "mt5"},
      {"model_type", nullptr},
      {"architectures", nlohmann::json::array()},
      {"vocab_size", 0},
      {"vocab_size", 1e12},
      {"vocab_size", nullptr},
      {"d_model", "512"},
      {"d_model", nullptr},
      {"d_ff", 2.5},
      {"d_kv", 0},
      {"num_layers", -1},
      {"num_decoder_layers", true},
      {"relative_attention_num_buckets", 2},
      {"relative_attention_max_distance", 16},
      {"pad_token_id", 5},
      {"eos_token_id", 2},
      {"layer_norm_epsilon", 0},
      {"num_heads", nullptr},
      {"layer_norm_epsilon", "small"},
      {"tie_word_embeddings", 1},
      {"feed_forward_proj", "gated-silu"},
      {"dense_act_fn", "gelu"},
      {"decoder_start_token_id", 2},
      {"is_encoder_decoder", false},
      {"quantization_config", {{"bits", 4}}}};
  for (const auto& [field, value] : wrong) {
    config_ = good;
    config_[field] = value;
    EXPECT_THAT(refusal(), AllOf(HasSubstr("config.json"), HasSubstr(field)))
        << field << " " << value;
  }
  write();
  write_bytes(folder_ / "base/config.json", "{");
  EXPECT_THAT(message_of<DataError>([this] { open(); }), HasSubstr("no JSON object"));
}

TEST_F(ImportHf, RefusesTensorsThatAreNotThoseOfTheConfig) {
  NamedTensor& q = tensor("decoder.block.0.layer.1.EncDecAttention.q.weight");
  std::swap(q.shape[0], q.shape[1]);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(q.name), HasSubstr("[4, 6]"), HasSubstr("[6, 4]")));
  std::swap(q.shape[0], q.shape[1]);
  q.type = TensorType::kI32;
  EXPECT_THAT(refusal(), AllOf(HasSubstr(q.name), HasSubstr("I32")));
  q.type = TensorType::kF32;
  const std::string name = q.name;
  remove(name);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(name), HasSubstr("no such tensor")));
  add(name, {6, 4});
  config_["d_model"] = 8;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("shared.weight"), HasSubstr("[400, 8]")));
  config_["d_model"] = kWidth;
  add("encoder.block.7.layer.0.layer_norm.weight", {kWidth});
  EXPECT_THAT(refusal(), HasSubstr("encoder.block.7.layer.0.layer_norm.weight"));
}

TEST_F(ImportHf, RefusesEmbeddingsThatShouldBeOneAndDiffer) {
  config_["tie_word_embeddings"] = true;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("lm_head.weight"), HasSubstr("tie_word_embeddings")));
  config_["tie_word_embeddings"] = false;
  add("encoder.embed_tokens.weight", {kTextRows, kWidth});
  EXPECT_THAT(refusal(), HasSubstr("encoder.embed_tokens.weight"));
  remove("encoder.embed_tokens.weight");
  remove("lm_head.weight");
  EXPECT_THAT(refusal(), HasSubstr("lm_head.weight"));
}

TEST_F(ImportHf, RefusesAnIndexThatDoesNotFitItsFiles) {
  const auto refusal_of = [&](const nlohmann::json& index) {
    write_bytes(folder_ / "base/model.safetensors.index.json", index.dump());
    return message_of<DataError>([this] { open(); });
  };
  write(3);
  EXPECT_THAT(refusal_of({{"metadata", {}}}), HasSubstr("weight_map"));
  nlohmann::json index = index_;
  index["weight_map"]["shared.weight"] = "../elsewhere.safetensors";
  EXPECT_THAT(refusal_of(index), HasSubstr("shared.weight"));
  index = index_;
  index["weight_map"]["shared.weight"] = file_name(2);
  EXPECT_THAT(refusal_of(index), AllOf(HasSubstr(file_name(2)), HasSubstr("shared.weight")));
  index = index_;
  index["weight_map"].erase("shared.weight");
  EXPECT_THAT(refusal_of(index), AllOf(HasSubstr(file_name(0)), HasSubstr("shared.weight")));
  write_safetensors(folder_ / "base/model.safetensors", tensors_, {});
  EXPECT_THAT(refusal_of(index_), HasSubstr("beside an index"));
}

TEST_F(ImportHf, SaysWhatIsMissing) {
  with_vocabulary_ = false;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("spiece.model"), HasSubstr("T5Tokenizer")));
  write_bytes(folder_ / "base/tokenizer.json", "{}");
  EXPECT_THAT(open().vocabulary_path(), testing::EndsWith("tokenizer.json"));
  with_vocabulary_ = true;
  write();
  std::filesystem::remove(folder_ / "base/model.safetensors");
  EXPECT_THAT(message_of<DataError>([this] { open(); }), HasSubstr("safe_serialization"));
  EXPECT_THAT(message_of<DataError>([this] { HfT5::open(folder_ / "nowhere"); }),
              HasSubstr("config.json"));
}

}  // namespace
}  // namespace tutti::checkpoints
