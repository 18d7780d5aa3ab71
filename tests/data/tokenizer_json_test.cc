#include <gmock/gmock.h>

#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::data {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// What huggingface/tokenizers gives (tests/conformance/make_tokenizer_goldens.py).
json golden(const std::string& name) {
  std::ifstream in(std::string(TUTTI_SOURCE_DIR) + "/tests/data/goldens/" + name +
                   "_tokenizer.json");
  return json::parse(in);
}

class GoldenTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(GoldenTokenizer, GivesTheIdsOfHuggingFacesTokenizers) {
  const json recorded = golden(GetParam());
  const Tokenizer tokenizer = Tokenizer::from_bytes(recorded["tokenizer"].dump(), GetParam());
  ASSERT_GE(recorded["cases"].size(), 40U);
  for (const json& c : recorded["cases"]) {
    const auto text = c["text"].get<std::string>();
    EXPECT_EQ(json(tokenizer.encode(text)), c["ids"]) << text;
    EXPECT_EQ(json(tokenizer.encode_part(text, SpecialText::kAsTokens)), c["part"]) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTokenizer,
                         testing::Values("gpt2", "smollm", "llama3", "qwen2", "bert_uncased",
                                         "bert_cased"),
                         [](const auto& given) { return std::string(given.param); });

TEST(TokenizerJson, StoresTheFileAsItWasGiven) {
  const std::string bytes = golden("smollm")["tokenizer"].dump(1);
  const Tokenizer tokenizer = Tokenizer::from_bytes(bytes, "x");
  EXPECT_EQ(tokenizer.bytes(), bytes);
  EXPECT_STREQ(tokenizer.file_name(), "tokenizer.json");
  const TempFolder folder;
  write_bytes(folder / "tokenizer.json", bytes);
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).num_pieces(), tokenizer.num_pieces());
  EXPECT_EQ(tokenizer.piece(1), "<|im_start|>");
}

TEST(TokenizerJson, ReadsBytesThatAreNoUtf8AsReplacementCharacters) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(golden("gpt2")["tokenizer"].dump(), "x");
  EXPECT_EQ(tokenizer.encode("a\xff b"), tokenizer.encode("a\uFFFD b"));
}

TEST(TokenizerJson, LeavesSpecialTokensInTitlesAsText) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(golden("smollm")["tokenizer"].dump(), "x");
  const std::vector<int32_t> ids = tokenizer.encode("a<|im_end|>");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 2), 0);
  EXPECT_EQ(tokenizer.encode_part("<|im_end|>", SpecialText::kAsTokens), std::vector<int32_t>{2});
}

TEST(TokenizerJson, ReadsAPromptAsTheWholeTextWithTheTitleInIt) {
  const std::string bytes = golden("smollm")["tokenizer"].dump();
  const Tokenizer plain = Tokenizer::from_bytes(bytes, "x");
  for (const std::string& prompt :
       {std::string("{title}\n"), std::string("playlist: {title}"),
        std::string("<|im_start|>user\nsongs for {title}<|im_end|>\n<|im_start|>ids: ")}) {
    Tokenizer tokenizer = Tokenizer::from_bytes(bytes, "x");
    tokenizer.set_prompt(prompt);
    for (const std::string& title : {std::string("rainy evening"), std::string("90s \U0001F525")}) {
      std::string whole = prompt;
      whole.replace(whole.find("{title}"), 7, title);
      EXPECT_EQ(tokenizer.encode(title), plain.encode_part(whole, SpecialText::kAsTokens)) << whole;
    }
    const auto specials = [](const std::vector<int32_t>& ids) {
      return std::count_if(ids.begin(), ids.end(), [](int32_t id) { return id <= 2; });
    };
    EXPECT_EQ(specials(tokenizer.encode("<|im_end|>")), specials(tokenizer.encode("x")))
        << "a title that spells a special token stays text";
  }
}

TEST(TokenizerJson, RefusesAPromptWithoutOnePlaceForTheTitle) {
  Tokenizer tokenizer = Tokenizer::from_bytes(golden("smollm")["tokenizer"].dump(), "x");
  for (const char* prompt : {"", "title", "{title} {title}"}) {
    EXPECT_FALSE(is_prompt(prompt));
    EXPECT_THAT(message_of<DataError>([&] { tokenizer.set_prompt(prompt); }),
                HasSubstr("one {title}"));
  }
}

struct Damage {
  const char* name;
  const char* tokenizer;  // which golden is damaged
  std::function<void(json&)> change;
  const char* said;
};

// A change to a good file, and what the refusal names.
const std::vector<Damage>& damages() {
  static const std::vector<Damage> kDamages = {
      {"no model", "gpt2", [](json& t) { t.erase("model"); }, "field 'model'"},
      {"another model", "gpt2", [](json& t) { t["model"]["type"] = "WordLevel"; }, "WordLevel"},
      {"a type that is no text", "gpt2", [](json& t) { t["model"]["type"] = 1; }, "'type'"},
      {"no vocabulary", "gpt2", [](json& t) { t["model"].erase("vocab"); }, "'vocab'"},
      {"an id that is no number", "gpt2", [](json& t) { t["model"]["vocab"]["a"] = "7"; }, "'a'"},
      {"a negative id", "gpt2", [](json& t) { t["model"]["vocab"]["a"] = -1; }, "'a'"},
      {"an id twice", "gpt2", [](json& t) { t["model"]["vocab"]["a"] = 5; }, "5 twice"},
      {"an id far away", "gpt2", [](json& t) { t["model"]["vocab"]["a"] = 2000000000; },
       "2000000000"},
      {"an id beyond 32 bits", "gpt2", [](json& t) { t["model"]["vocab"]["a"] = 1ULL << 40; },
       "'a'"},
      {"merges that are no list", "gpt2", [](json& t) { t["model"]["merges"] = "a b"; },
       "'merges'"},
      {"a merge of one piece", "gpt2", [](json& t) { t["model"]["merges"][3] = "ab"; },
       "merges[3]"},
      {"a merge of three pieces", "gpt2", [](json& t) { t["model"]["merges"][3] = "a b c"; },
       "merges[3]"},
      {"a merge of unknown pieces", "gpt2",
       [](json& t) {
         t["model"]["merges"][0] = json::array({"qq", "zz"});
       },
       "merge 1"},
      {"dropout", "gpt2", [](json& t) { t["model"]["dropout"] = 0.1; }, "'dropout'"},
      {"byte fallback", "gpt2", [](json& t) { t["model"]["byte_fallback"] = true; },
       "'byte_fallback'"},
      {"a prefix", "gpt2", [](json& t) { t["model"]["continuing_subword_prefix"] = "##"; },
       "'continuing_subword_prefix'"},
      {"a suffix", "gpt2", [](json& t) { t["model"]["end_of_word_suffix"] = "</w>"; },
       "'end_of_word_suffix'"},
      {"an unknown unknown", "gpt2", [](json& t) { t["model"]["unk_token"] = "<none>"; },
       "'unk_token'"},
      {"another normalizer", "gpt2",
       [](json& t) {
         t["normalizer"] = {{"type", "NFKC"}};
       },
       "NFKC"},
      {"no pre-tokenizer", "gpt2", [](json& t) { t["pre_tokenizer"] = nullptr; },
       "'pre_tokenizer'"},
      {"another pattern", "qwen2",
       [](json& t) { t["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\s+|\\S+"; },
       "'pre_tokenizer'"},
      {"a prefix space", "gpt2", [](json& t) { t["pre_tokenizer"]["add_prefix_space"] = true; },
       "add_prefix_space"},
      {"another post-processor", "gpt2",
       [](json& t) {
         t["post_processor"] = {{"type", "RobertaProcessing"}};
       },
       "RobertaProcessing"},
      {"a template without the text", "bert_uncased",
       [](json& t) { t["post_processor"]["single"].erase(1); }, "'single'"},
      {"a template with the text twice", "bert_uncased",
       [](json& t) { t["post_processor"]["single"].push_back(t["post_processor"]["single"][1]); },
       "once"},
      {"a template of an unknown token", "bert_uncased",
       [](json& t) { t["post_processor"]["special_tokens"].erase("[SEP]"); }, "[SEP]"},
      {"a template of an id beyond all", "bert_uncased",
       [](json& t) { t["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {99999}; },
       "post_processor"},
      {"an added token without text", "gpt2", [](json& t) { t["added_tokens"][0]["content"] = ""; },
       "added_tokens[0]"},
      {"an added token twice", "gpt2",
       [](json& t) { t["added_tokens"].push_back(t["added_tokens"][0]); }, "every token once"},
      {"an added token of another id", "gpt2", [](json& t) { t["added_tokens"][0]["id"] = 7; },
       "as in the vocabulary"},
      {"an added token far away", "gpt2", [](json& t) { t["added_tokens"][4]["id"] = 2000000000; },
       "added_tokens[4]"},
      {"added tokens that are no list", "gpt2", [](json& t) { t["added_tokens"] = 1; },
       "'added_tokens'"},
      {"a BERT without its normalizer", "bert_uncased", [](json& t) { t["normalizer"] = nullptr; },
       "'normalizer'"},
      {"a BERT of another normalizer", "bert_uncased",
       [](json& t) { t["normalizer"]["type"] = "Lowercase"; }, "Lowercase"},
      {"a BERT of another pre-tokenizer", "bert_uncased",
       [](json& t) { t["pre_tokenizer"]["type"] = "Whitespace"; }, "Whitespace"},
      {"a flag that is no flag", "bert_uncased", [](json& t) { t["normalizer"]["lowercase"] = 1; },
       "'lowercase'"},
      {"a BERT without its unknown", "bert_uncased",
       [](json& t) { t["model"]["vocab"].erase("[UNK]"); }, "'unk_token'"},
  };
  return kDamages;
}

TEST(TokenizerJson, RefusesWhatItCannotFollowExactly) {
  for (const Damage& damage : damages()) {
    json tokenizer = golden(damage.tokenizer)["tokenizer"];
    damage.change(tokenizer);
    const std::string message = message_of<DataError>(
        [&] { Tokenizer::from_bytes(tokenizer.dump(), "dir/tokenizer.json"); });
    EXPECT_THAT(message, AllOf(HasSubstr("dir/tokenizer.json"), HasSubstr(damage.said)))
        << damage.name;
    EXPECT_EQ(message.find('\n'), std::string::npos) << damage.name;
    EXPECT_LT(message.size(), 900U) << damage.name;
  }
}

TEST(TokenizerJson, RefusesTextThatIsNoObject) {
  for (const char* text : {"{", "{}}", " {\"model\": ", "{\"a\":\"\xff\"}"}) {
    EXPECT_THAT(message_of<DataError>([&] { Tokenizer::from_bytes(text, "x"); }),
                HasSubstr("no JSON object"))
        << text;
  }
  const TempFolder folder;
  EXPECT_THAT(message_of<DataError>([&] { Tokenizer::from_folder(folder.path()); }),
              HasSubstr("no spiece.model and no tokenizer.json"));
}

// A tokenizer.json as T5's slow class is converted to, over the pieces of a SentencePiece model.
json unigram_of(const Tokenizer& spiece, const std::vector<float>& scores) {
  json vocab = json::array(), added = json::array();
  for (int32_t id = 0; id < spiece.num_pieces(); ++id) {
    vocab.push_back({spiece.piece(id), scores[static_cast<size_t>(id)]});
  }
  const auto add = [&added](const std::string& content, int64_t id) {
    added.push_back({{"id", id}, {"content", content}, {"special", true}, {"normalized", false}});
  };
  for (int32_t id = 0; id < 3; ++id) add(std::string(spiece.piece(id)), id);
  for (int i = 0; i < 2; ++i) {  // sentinels
    const std::string sentinel = "<extra_id_" + std::to_string(1 - i) + ">";
    add(sentinel, std::ssize(vocab));
    vocab.push_back({sentinel, 0.0});
  }
  const json metaspace = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
  return {
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", {{{"type", "WhitespaceSplit"}}, metaspace}}}},
      {"model", {{"type", "Unigram"}, {"unk_id", 2}, {"byte_fallback", true}, {"vocab", vocab}}}};
}

class UnigramJson : public testing::Test {
 protected:
  UnigramJson() {
    const std::vector<std::string> titles = {"rainy day piano", "late night dub", "piano sleep"};
    spiece_.emplace(Tokenizer::from_bytes(
        train_sentencepiece(titles, {3, 2, 2}, TokenizerTraining{.num_pieces = 300}), "trained"));
    // Only which scores are larger matters here: longer pieces first.
    std::vector<float> scores;
    scores.reserve(spiece_->num_pieces());
    for (int32_t id = 0; id < spiece_->num_pieces(); ++id) {
      scores.push_back(-10.0F / static_cast<float>(spiece_->piece(id).size()));
    }
    json_ = unigram_of(*spiece_, scores);
  }
  std::string refusal() {
    return message_of<DataError>([this] { Tokenizer::from_bytes(json_.dump(), "t5.json"); });
  }
  std::optional<Tokenizer> spiece_;
  json json_;
};

TEST_F(UnigramJson, BecomesASentencePieceModelWithoutTheSentinels) {
  const Tokenizer tokenizer = Tokenizer::from_bytes(json_.dump(), "t5.json");
  EXPECT_STREQ(tokenizer.file_name(), "spiece.model");
  ASSERT_EQ(tokenizer.num_pieces(), spiece_->num_pieces());
  for (int32_t id = 0; id < tokenizer.num_pieces(); ++id) {
    EXPECT_EQ(tokenizer.piece(id), spiece_->piece(id));
  }
  EXPECT_EQ(tokenizer.encode("rainy  piano").back(), Tokenizer::kEos);
  EXPECT_EQ(tokenizer.encode("rainy  piano "), tokenizer.encode(" rainy piano"));
  const auto bytes = tokenizer.encode("\U0001F525");
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), Tokenizer::kUnk), 0) << "bytes stand in";
  // What it stores is a spiece.model that reads the same.
  const Tokenizer again = Tokenizer::from_bytes(tokenizer.bytes(), "again");
  EXPECT_EQ(again.encode("late rainy night"), tokenizer.encode("late rainy night"));
}

TEST_F(UnigramJson, RefusesStepsThatNoT5Has) {
  const json good = json_;
  const std::vector<std::pair<std::function<void(json&)>, const char*>> cases = {
      {[](json& t) {
         t["normalizer"] = {{"type", "NFKC"}};
       },
       "NFKC"},
      {[](json& t) {
         t["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAAA"}};
       },
       "precompiled_charsmap"},
      {[](json& t) {
         t["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "!"}};
       },
       "precompiled_charsmap"},
      {[](json& t) {
         t["pre_tokenizer"] = {{"type", "ByteLevel"}};
       },
       "ByteLevel"},
      {[](json& t) { t["pre_tokenizer"] = nullptr; }, "pre_tokenizer"},
      {[](json& t) {
         t["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "never"}};
       },
       "prepend_scheme"},
      {[](json& t) { t["model"]["vocab"] = json::array(); }, "vocab"},
      {[](json& t) { t["model"]["vocab"][7] = "piece"; }, "piece 7"},
      {[](json& t) {
         t["model"]["vocab"][7] = {"piece", "high"};
       },
       "piece 7"},
      {[](json& t) { t["model"]["unk_id"] = 3; }, "unk"},
      {[](json& t) { t["model"]["vocab"][0][0] = "rows"; }, "pad"},
  };
  for (const auto& [change, said] : cases) {
    json_ = good;
    change(json_);
    EXPECT_THAT(refusal(), AllOf(HasSubstr("t5.json"), HasSubstr(said)));
  }
}

}  // namespace
}  // namespace tutti::data
