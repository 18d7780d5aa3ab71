#include <gmock/gmock.h>

#include <deque>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/bert_tensors.h"
#include "checkpoints/import/bert.h"
#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"
#include "tests/checkpoints/tiny_tokenizers.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class ImportBert : public testing::Test {
 protected:
  ImportBert() {
    shape_.vocab_size = 30;
    shape_.hidden_size = 6;
    shape_.intermediate_size = 5;
    shape_.num_hidden_layers = 2;
    shape_.num_attention_heads = 3;
    shape_.max_position_embeddings = 16;
    config_ = {{"architectures", {"BertModel"}},
               {"model_type", "bert"},
               {"hidden_act", "gelu"},
               {"vocab_size", 30},
               {"hidden_size", 6},
               {"intermediate_size", 5},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 3},
               {"max_position_embeddings", 16},
               {"position_embedding_type", "absolute"}};
    tokenizer_ = tiny_word_piece_json();
    make("");
  }
  void make(const std::string& prefix) {
    tensors_.clear();
    for (const TensorShape& t : bert_tensors(shape_)) add(prefix + t.name, t.shape);
  }
  void add(const std::string& name, std::vector<int64_t> shape) {
    NamedTensor tensor{name, TensorType::kF32, std::move(shape), nullptr};
    auto& values = values_.emplace_back(static_cast<size_t>(tensor.num_elements()),
                                        static_cast<float>(tensors_.size()));
    tensor.data = values.data();
    tensors_.push_back(tensor);
  }
  BertSource open() {
    write_bytes(folder_ / "base/config.json", config_.dump());
    write_bytes(folder_ / "base/tokenizer.json", tokenizer_.dump());
    write_safetensors(folder_ / "base/model.safetensors", tensors_, {{"format", "pt"}});
    return BertSource::open(folder_ / "base");
  }
  std::string refusal() {
    return message_of<DataError>([this] { open(); });
  }

  TempFolder folder_;
  BertConfig shape_;
  json config_, tokenizer_;
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<float>> values_;
};

TEST_F(ImportBert, TakesTheEncoderAndSaysWhatItLeaves) {
  for (const char* prefix : {"", "bert."}) {
    make(prefix);
    const size_t num_tensors = tensors_.size();
    add(std::string(prefix) + "embeddings.position_ids", {1, 16});
    add(std::string(prefix) + "pooler.dense.weight", {6, 6});
    add("cls.predictions.bias", {30});
    const BertSource source = open();
    EXPECT_EQ(source.config().head_dim(), 2);
    ASSERT_EQ(source.tensors().size(), num_tensors);
    for (size_t i = 0; i < num_tensors; ++i) {
      EXPECT_EQ(prefix + source.tensors()[i].name, tensors_[i].name);
      std::vector<float> values(static_cast<size_t>(source.tensors()[i].num_elements()));
      source.tensors()[i].copy_as_fp32(values);
      EXPECT_EQ(values.back(), static_cast<float>(i));
    }
    EXPECT_EQ(source.ignored().size(), 3U);
  }
}

TEST_F(ImportBert, RefusesAConfigThatItCannotFollow) {
  const json good = config_;
  const std::vector<std::pair<const char*, json>> wrong = {
      {"model_type", "roberta"},
      {"model_type", nullptr},
      {"hidden_act", "relu"},
      {"position_embedding_type", "relative_key"},
      {"is_decoder", true},
      {"add_cross_attention", true},
      {"vocab_size", 0},
      {"hidden_size", 7},
      {"hidden_size", nullptr},
      {"layer_norm_eps", -1},
      {"quantization_config", {{"bits", 8}}}};
  for (const auto& [field, value] : wrong) {
    config_ = good;
    config_[field] = value;
    const bool is_divisor = value == 7;
    EXPECT_THAT(refusal(), AllOf(HasSubstr("config.json"),
                                 HasSubstr(is_divisor ? "num_attention_heads" : field)))
        << field << " " << value;
  }
}

TEST_F(ImportBert, RefusesWhatDoesNotFit) {
  add("encoder.layer.2.output.dense.bias", {6});
  EXPECT_THAT(refusal(), HasSubstr("encoder.layer.2.output.dense.bias"));
  make("");
  tensors_.pop_back();
  EXPECT_THAT(refusal(), AllOf(HasSubstr("encoder.layer.1.output.LayerNorm.bias"),
                               HasSubstr("no such tensor")));
  make("");
  config_["vocab_size"] = 20;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("30 pieces"), HasSubstr("20 rows")));
  config_["vocab_size"] = 40;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("word_embeddings"), HasSubstr("[40, 6]")));
  config_["vocab_size"] = 30;
  config_["hidden_size"] = 12;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("word_embeddings"), HasSubstr("[30, 12]")));
}

TEST_F(ImportBert, SaysOfAConfigWhatStateJsonNeeds) {
  const json stored = to_json(shape_);
  EXPECT_EQ(to_json(bert_config_from_json(stored, "state.json")), stored);
  for (const char* field : {"arch", "hidden_size", "layer_norm_eps"}) {
    json damaged = stored;
    damaged.erase(field);
    EXPECT_THAT(message_of<DataError>([&] { bert_config_from_json(damaged, "state.json"); }),
                AllOf(HasSubstr("state.json"), HasSubstr(field)));
  }
}

}  // namespace
}  // namespace tutti::checkpoints
