#include <gmock/gmock.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "checkpoints/export/hf_parts.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "tests/checkpoints/tiny_road.h"
#include "tests/checkpoints/tiny_tokenizers.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::HasSubstr;

constexpr int kPieces = 260;

class ExportBpeTokenizer : public testing::Test {
 protected:
  HfTokenizerFiles files(int64_t text_rows) const {
    return hf_bpe_tokenizer_files(tokenizer_.dump(), "tokenizer.json", text_rows, table_);
  }
  std::string refusal(int64_t text_rows) const {
    return message_of<DataError>([&] { files(text_rows); });
  }

  nlohmann::json tokenizer_ = tiny_bpe_json();
  ids::IdTable table_ = tiny_id_table(20);
};

TEST_F(ExportBpeTokenizer, NamesEveryRowAndNumbersIdTokensBehindThem) {
  // A token that is in no vocabulary, behind a gap, as Qwen2's are.
  tokenizer_["added_tokens"].push_back({{"id", 262}, {"content", "<|more|>"}, {"special", true}});
  const HfTokenizerFiles out = files(265);
  const nlohmann::json& vocab = out.tokenizer.at("model").at("vocab");
  EXPECT_EQ(vocab.size(), 265U) << "readers go on from here";
  EXPECT_EQ(vocab.at("<|more|>"), 262);
  for (const int row : {260, 261, 263, 264}) {
    EXPECT_EQ(vocab.at("<unused_" + std::to_string(row) + ">"), row);
  }
  for (int32_t token = 0; token < table_.num_tokens(); ++token) {
    const std::string name = table_.token_name(token);
    EXPECT_EQ(out.added_tokens.at(name), 265 + token);
    const nlohmann::json& entry =
        out.tokenizer_config.at("added_tokens_decoder").at(std::to_string(265 + token));
    EXPECT_EQ(entry.at("content"), name);
    EXPECT_EQ(entry.at("special"), false) << "it stays when IDs become text";
  }
  EXPECT_EQ(out.tokenizer_config.at("pad_token"), "<|end|>") << "the first special token";
  EXPECT_EQ(out.pad_token_id, 0);
  EXPECT_EQ(out.tokenizer_config.at("padding_side"), "left");
}

TEST_F(ExportBpeTokenizer, ReadsTextAsBefore) {
  const auto before = data::Tokenizer::from_bytes(tokenizer_.dump(), "before");
  const auto after = data::Tokenizer::from_bytes(files(kPieces + 4).tokenizer.dump(), "after");
  EXPECT_EQ(after.num_pieces(), kPieces + 4 + table_.num_tokens());
  for (const std::string& text : tiny_titles()) EXPECT_EQ(after.encode(text), before.encode(text));
}

TEST_F(ExportBpeTokenizer, RefusesIdsThatTwoTokensShareOrThatAreNoRows) {
  EXPECT_THAT(refusal(kPieces - 1), HasSubstr("'ck'"));
  tokenizer_["added_tokens"].push_back({{"id", 3}, {"content", "<|twice|>"}, {"special", true}});
  EXPECT_THAT(refusal(kPieces), testing::AllOf(HasSubstr("'<|twice|>'"), HasSubstr("id 3")));
}

}  // namespace
}  // namespace tutti::checkpoints
