#include "trainer/base_model.h"

#include <gmock/gmock.h>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/t5_tensors.h"
#include "tests/support/temp_folder.h"
#include "trainer/piece_id_rows.h"

namespace tutti::trainer {
namespace {

using checkpoints::HfT5;
using checkpoints::NamedTensor;
using checkpoints::Softmax;
using checkpoints::TensorType;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr int64_t kTextRows = 30, kWidth = 8, kIdTokens = 12;

// A folder of transformers: values count up through all tensors.
class BaseModel : public testing::Test {
 protected:
  HfT5 write(bool tied) {
    T5Config shape;
    shape.text_rows = kTextRows;
    shape.d_model = kWidth;
    shape.d_kv = 3;
    shape.num_heads = 2;
    shape.d_ff = 5;
    std::vector<checkpoints::TensorShape> shapes = checkpoints::t5_block_tensors(shape);
    shapes.push_back({"shared.weight", {kTextRows, kWidth}});
    if (!tied) shapes.push_back({"lm_head.weight", {kTextRows, kWidth}});
    std::vector<NamedTensor> tensors;
    for (const auto& [name, dims] : shapes) {
      tensors.push_back({name, TensorType::kF32, dims, nullptr});
      num_values_ += tensors.back().num_elements();
    }
    values_.resize(static_cast<size_t>(num_values_));
    float* next = values_.data();
    for (NamedTensor& t : tensors) {
      t.data = next;
      for (int64_t i = 0; i < t.num_elements(); ++i, ++next) {
        *next = static_cast<float>(next - values_.data());
      }
    }
    const nlohmann::json config = {{"architectures", {"T5ForConditionalGeneration"}},
                                   {"model_type", "t5"},
                                   {"vocab_size", kTextRows},
                                   {"d_model", kWidth},
                                   {"d_kv", 3},
                                   {"num_heads", 2},
                                   {"d_ff", 5},
                                   {"num_layers", 2},
                                   {"feed_forward_proj", "gated-gelu"},
                                   {"tie_word_embeddings", tied}};
    write_bytes(folder_ / "base/config.json", config.dump());
    write_bytes(folder_ / "base/spiece.model", "bytes");
    checkpoints::write_safetensors(folder_ / "base/model.safetensors", tensors, {});
    return HfT5::open(folder_ / "base");
  }
  static float first_of(T5Model& model, const std::string& name) {
    return model.find(name)->value.detach().view({-1})[0].item<float>();
  }

  TempFolder folder_;
  std::vector<float> values_;
  int64_t num_values_ = 0;
};

TEST_F(BaseModel, FillsAllButTheIdRowsAndSaysSo) {
  const HfT5 base = write(/*tied=*/false);
  T5Model model(config_from_base(base, kIdTokens, Softmax::kFull));
  model.initialize(1);
  const at::Tensor id_rows = model.find("id_embedding.weight")->value.detach().clone();
  const BaseReport report = load_base(model, base);
  EXPECT_THAT(report.added, ElementsAre("id_embedding.weight", "lm_head.id.weight"));
  EXPECT_EQ(report.loaded.size() + 2, model.parameters().size());
  EXPECT_EQ(report.num_loaded_values, num_values_);
  EXPECT_TRUE(report.ignored.empty());
  EXPECT_TRUE(model.find("id_embedding.weight")->value.detach().equal(id_rows));
  EXPECT_EQ(first_of(model, "encoder.block.0.layer.0.SelfAttention.q.weight"), 0.0F);
  EXPECT_EQ(first_of(model, "lm_head.text.weight") - first_of(model, "shared.weight"),
            static_cast<float>(kTextRows * kWidth));
  EXPECT_EQ(to_json(report).at("loaded").size(), report.loaded.size());
}

TEST_F(BaseModel, LeavesTheHeadOfTextWhereTheSoftmaxDoesNotReachIt) {
  const HfT5 base = write(/*tied=*/false);
  for (const Softmax softmax : {Softmax::kLevel, Softmax::kTrie, Softmax::kIds}) {
    T5Model model(config_from_base(base, kIdTokens, softmax));
    const BaseReport report = load_base(model, base);
    EXPECT_EQ(model.find("lm_head.text.weight"), nullptr);
    ASSERT_EQ(report.ignored.size(), 1U);
    EXPECT_EQ(report.ignored[0].name, "lm_head.weight");
    EXPECT_EQ(report.num_loaded_values, num_values_ - kTextRows * kWidth);
    EXPECT_EQ(to_json(report).at("ignored").at(0).at("tensor"), "lm_head.weight");
  }
}

TEST_F(BaseModel, GivesTokensThatAreItsPiecesItsRowsOfThem) {
  ids::IdTable table;
  table.token_pieces.pieces.assign(kIdTokens, -1);
  table.token_pieces.pieces[3] = 17;
  table.token_pieces.pieces[kIdTokens - 1] = 1;
  for (const bool tied : {false, true}) {
    const HfT5 base = write(tied);
    T5Model model(config_from_base(base, kIdTokens, Softmax::kIds));
    model.initialize(1);
    load_base(model, base);
    const auto values_of = [&](const char* name) { return model.find(name)->value.detach(); };
    const at::Tensor before = values_of("id_embedding.weight").clone();
    EXPECT_EQ(start_id_rows_from_pieces(model, table, base), 2);
    const at::Tensor after = values_of("id_embedding.weight");
    const at::Tensor text = values_of("shared.weight");
    EXPECT_TRUE(after[3].equal(text[17]));
    EXPECT_TRUE(after[kIdTokens - 1].equal(text[1]));
    EXPECT_TRUE(after[4].equal(before[4]));
    if (tied) continue;
    // The base's head stands behind its other tensors; values count up.
    const float head = values_of("lm_head.id.weight")[3][0].item<float>();
    EXPECT_EQ(head - text[17][0].item<float>(), static_cast<float>(kTextRows * kWidth));
  }
}

TEST_F(BaseModel, OfATiedHeadPredictsWithWhatItReads) {
  const HfT5 base = write(/*tied=*/true);
  T5Model model(config_from_base(base, kIdTokens, Softmax::kFull));
  const BaseReport report = load_base(model, base);
  EXPECT_THAT(report.added, UnorderedElementsAre("id_embedding.weight"));
  EXPECT_TRUE(model.config().scale_decoder_outputs);
  EXPECT_TRUE(model.text_head().equal(model.find("shared.weight")->value));
  EXPECT_EQ(model.id_head().size(0), kIdTokens);
}

}  // namespace
}  // namespace tutti::trainer
