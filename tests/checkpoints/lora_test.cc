#include "checkpoints/lora.h"

#include <gmock/gmock.h>

#include <array>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// W [2, 3] with an adapter of rank 2, and a layer without one.
class LoraMerge : public testing::Test {
 protected:
  std::vector<float> w_ = {1, 2, 3, 4, 5, 6}, a_ = {1, 0, 2, 0, 1, 1}, b_ = {1, 2, 0, -1},
                     other_ = {7, 8};
  std::vector<NamedTensor> tensors_ = {
      {"block.q_proj.weight", TensorType::kF32, {2, 3}, w_.data()},
      {"block.k_proj.weight", TensorType::kF32, {1, 2}, other_.data()},
      {"block.q_proj.lora_A.weight", TensorType::kF32, {2, 3}, a_.data()},
      {"block.q_proj.lora_B.weight", TensorType::kF32, {2, 2}, b_.data()}};
  LoraConfig config_ = {.rank = 2, .alpha = 1, .targets = {"q_proj"}};

  std::string refusal() {
    return message_of<DataError>([this] { with_adapters_merged(tensors_, config_, "run"); });
  }
};

TEST_F(LoraMerge, AddsTheScaledProductAndLeavesTheRest) {
  const std::vector<NamedTensor> merged = with_adapters_merged(tensors_, config_, "run");
  ASSERT_EQ(merged.size(), 2U);
  const auto* values = static_cast<const float*>(merged[0].data);
  // B A = {1 2 4; 0 -1 -1}, half of it.
  EXPECT_THAT(std::vector(values, values + 6), ElementsAre(1.5, 3, 5, 4, 4.5, 5.5));
  EXPECT_THAT(w_, ElementsAre(1, 2, 3, 4, 5, 6)) << "what was given stays";
  EXPECT_EQ(merged[1].data, other_.data());
}

TEST_F(LoraMerge, RefusesHalvesStrangersAndOtherShapes) {
  std::swap(tensors_[3].name, tensors_[1].name);
  tensors_[3].name = "block.q_proj.lora_C.weight";
  tensors_[1].name = "block.k_proj.weight";
  EXPECT_THAT(refusal(), HasSubstr("'block.q_proj.lora_B.weight'"));
  tensors_[3].name = "block.q_proj.lora_B.weight";
  config_.rank = 1;
  EXPECT_THAT(refusal(), HasSubstr("'block.q_proj.lora_A.weight'"));
  config_.rank = 2;
  config_.targets = {"k_proj"};
  EXPECT_THAT(refusal(), HasSubstr("no such tensor"));
  EXPECT_THAT(message_of<DataError>([this] { with_adapters_merged(tensors_, {}, "run"); }),
              HasSubstr("state.json says nothing of them"));
}

TEST(LoraConfig, NamesLayersByTheirWholeLastPart) {
  const LoraConfig config = {.rank = 1, .alpha = 1, .targets = {"q", "DenseReluDense.wo"}};
  EXPECT_TRUE(config.adapts("encoder.block.0.layer.0.SelfAttention.q.weight"));
  EXPECT_TRUE(config.adapts("encoder.block.0.layer.1.DenseReluDense.wo.weight"));
  EXPECT_FALSE(config.adapts("encoder.block.0.layer.0.SelfAttention.seq.weight"));
  EXPECT_FALSE(config.adapts("encoder.block.0.layer.0.SelfAttention.q.bias"));
  EXPECT_FALSE(config.adapts("encoder.block.0.layer.0.SelfAttention.q.lora_A.weight"));
}

TEST(LoraConfig, ComesBackFromJsonOrIsRefusedByField) {
  const LoraConfig config = {.rank = 4, .alpha = 8, .targets = {"q", "v"}};
  nlohmann::json json = to_json(config);
  EXPECT_EQ(to_json(lora_config_from_json(json, "state.json")), json);
  for (const char* field : {"rank", "alpha", "targets"}) {
    nlohmann::json wrong = json;
    wrong[field] = nlohmann::json::array();
    EXPECT_THAT(message_of<DataError>([&] { lora_config_from_json(wrong, "state.json"); }),
                testing::AllOf(HasSubstr("state.json"), HasSubstr(std::string("'") + field + "'")));
  }
}

}  // namespace
}  // namespace tutti::checkpoints
