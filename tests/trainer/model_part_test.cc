#include "trainer/models/model_part.h"

#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/llama_config.h"
#include "trainer/models/make_model.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {
namespace {

T5Config tiny_t5() {
  T5Config config;
  config.text_rows = 20;
  config.id_tokens = 9;
  config.d_model = 8;
  config.text_head = true;
  return config;
}

// The names of each part's parameters, by a rate that only this part was given.
std::map<std::string, std::set<std::string>> names_by_part(const nlohmann::json& shape,
                                                           const TrainingForm& form = {}) {
  std::map<std::string, std::set<std::string>> names;
  for (const ModelPart part : all_model_parts()) {
    const auto model = make_model(shape, "shape", form);
    set_part_rate(model->parameters(), part, 0.5);
    for (const Parameter& p : model->parameters()) {
      if (p.rate == 0.5) names[name_of(part)].insert(p.name);
    }
  }
  return names;
}

size_t num_names(const std::map<std::string, std::set<std::string>>& names) {
  size_t count = 0;
  for (const auto& [part, own] : names) count += own.size();
  return count;
}

void expect_front(const std::set<std::string>& names, const std::set<std::string>& fronts) {
  for (const std::string& name : names) {
    EXPECT_TRUE(std::any_of(fronts.begin(), fronts.end(), [&](const std::string& front) {
      return name.starts_with(front);
    })) << name;
  }
}

TEST(ModelPart, IsOneForEveryParameterOfT5) {
  const nlohmann::json shape = to_json(tiny_t5());
  const auto names = names_by_part(shape);
  EXPECT_EQ(num_names(names), make_model(shape)->parameters().size());
  EXPECT_EQ(names.at("id-rows"),
            (std::set<std::string>{"id_embedding.weight", "lm_head.id.weight"}));
  EXPECT_EQ(names.at("text-rows"), (std::set<std::string>{"shared.weight", "lm_head.text.weight"}));
  expect_front(names.at("encoder"), {"encoder."});
  expect_front(names.at("decoder"), {"decoder."});
}

TEST(ModelPart, OverBertIsTheDecoderForWhatItStartsFrom) {
  T5Config config = tiny_t5();
  config.text_rows = 1;
  config.text_head = false;
  config.encoder = {.vocab_size = 50,
                    .hidden_size = 24,
                    .intermediate_size = 40,
                    .num_hidden_layers = 2,
                    .num_attention_heads = 3,
                    .max_position_embeddings = 16};
  const auto names = names_by_part(to_json(config));
  EXPECT_EQ(num_names(names), T5Model(config).parameters().size());
  EXPECT_EQ(names.at("text-rows"),
            (std::set<std::string>{"bert.embeddings.word_embeddings.weight"}));
  expect_front(names.at("encoder"), {"bert."});
  expect_front(names.at("decoder"), {"decoder.", "shared.weight"});
}

TEST(ModelPart, OfADecoderOnlyModelIsNoEncoder) {
  checkpoints::LlamaConfig config;
  config.text_rows = 20;
  config.id_tokens = 9;
  config.hidden_size = 8;
  config.intermediate_size = 12;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 4;
  const auto names = names_by_part(checkpoints::to_json(config));
  EXPECT_FALSE(names.contains("encoder"));
  EXPECT_TRUE(names.at("text-rows").contains("model.embed_tokens.weight"));
  expect_front(names.at("decoder"), {"model.layers.", "model.norm.weight"});
}

TEST(ModelPart, SaysWhetherItTrains) {
  T5Model model(tiny_t5(), TrainedPart::kDecoder);
  EXPECT_EQ(set_part_rate(model.parameters(), ModelPart::kEncoder, 1), PartUse::kFrozen);
  EXPECT_EQ(set_part_rate(model.parameters(), ModelPart::kIdRows, 1), PartUse::kTrained);
  EXPECT_EQ(set_part_rate(model.parameters(), ModelPart::kTextRows, 1), PartUse::kTrained)
      << "the head's rows, though the encoder's are frozen";
  EXPECT_EQ(set_part_rate(model.parameters(), ModelPart::kAdapters, 1), PartUse::kAbsent);
}

}  // namespace
}  // namespace tutti::trainer
