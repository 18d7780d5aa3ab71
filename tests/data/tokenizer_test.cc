#include "data/tokenizer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <sentencepiece_trainer.h>

#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kTitles = {
    "rainy day piano", "Chill Vibes",   "chill acoustic evening", "workout 2016",
    "piano for sleep", "country roads", "late night dub",         "rainy sunday",
    "party party",     "evening piano",
};
const std::vector<int64_t> kCounts = {5, 90, 3, 40, 2, 2000, 1, 4, 7, 6};

std::string small_model() {
  return train_sentencepiece(kTitles, kCounts, TokenizerTraining{.num_pieces = 400});
}

// The text that ids spell: pieces joined, bytes put back, the space mark turned into a space.
std::string spelled(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) {
    const std::string piece(tokenizer.piece(id));
    if (id == Tokenizer::kEos) break;
    if (piece.size() == 6 && piece.starts_with("<0x")) {
      text.push_back(static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
    } else {
      text += piece;
    }
  }
  for (size_t at; (at = text.find("\u2581")) != std::string::npos;) text.replace(at, 3, " ");
  return text;
}

TEST(Tokenizer, SpellsATitleFoldedToLowerCaseAndEndsWithEos) {
  const auto tokenizer = Tokenizer::from_bytes(small_model(), "test");
  const auto ids = tokenizer.encode("Rainy  EVENING piano");
  EXPECT_EQ(spelled(tokenizer, ids), " rainy evening piano");
  EXPECT_EQ(ids.back(), Tokenizer::kEos);
}

TEST(Tokenizer, SpellsEmojiAndForeignScriptsByBytesWithoutUnknowns) {
  const auto tokenizer = Tokenizer::from_bytes(small_model(), "test");
  for (const std::string& title :
       std::vector<std::string>{"\U0001F525\U0001F525", "\u591C piano", "caf\u00e9"}) {
    const auto ids = tokenizer.encode(title);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), Tokenizer::kUnk), 0) << title;
    EXPECT_EQ(spelled(tokenizer, ids), " " + title);
  }
}

TEST(Tokenizer, NeverGivesAnEmptySequence) {
  const auto tokenizer = Tokenizer::from_bytes(small_model(), "test");
  EXPECT_EQ(tokenizer.encode(""), std::vector<int32_t>{Tokenizer::kEos});
  EXPECT_EQ(tokenizer.encode("  "), std::vector<int32_t>{Tokenizer::kEos});
  EXPECT_GE(tokenizer.encode("\xff\xfe").size(), 1U);
}

TEST(Tokenizer, KeepsTheSpecialPiecesOfT5) {
  const auto tokenizer = Tokenizer::from_bytes(small_model(), "test");
  EXPECT_EQ(tokenizer.piece(0), "<pad>");
  EXPECT_EQ(tokenizer.piece(1), "</s>");
  EXPECT_EQ(tokenizer.piece(2), "<unk>");
  EXPECT_LE(tokenizer.num_pieces(), 400);
}

TEST(Tokenizer, TrainsTheSameBytesFromTheSameTitles) {
  const std::string first = small_model();
  EXPECT_EQ(first, small_model());
  EXPECT_EQ(Tokenizer::from_bytes(first, "test").bytes(), first);
  EXPECT_EQ(first.find(std::filesystem::temp_directory_path().string()), std::string::npos);
}

TEST(Tokenizer, ComesBackFromItsFile) {
  const auto path = std::filesystem::path(testing::TempDir()) / "tokenizer_test.model";
  const std::string bytes = small_model();
  std::ofstream(path, std::ios::binary) << bytes;
  const auto tokenizer = Tokenizer::from_file(path.string());
  EXPECT_EQ(tokenizer.encode("rainy piano"),
            Tokenizer::from_bytes(bytes, "t").encode("rainy piano"));
  std::filesystem::remove(path);
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Tokenizer, RefusesBytesThatAreNoModelAndNamesTheFile) {
  for (const std::string& bytes : std::vector<std::string>{"not a model", ""}) {
    EXPECT_THAT(error_of([&] { Tokenizer::from_bytes(bytes, "dir/spiece.model"); }),
                HasSubstr("dir/spiece.model"));
  }
  const std::string whole = small_model();
  EXPECT_THAT(error_of([&] { Tokenizer::from_bytes(whole.substr(0, whole.size() / 2), "half"); }),
              HasSubstr("half"));
  EXPECT_THAT(error_of([] { Tokenizer::from_file("/nowhere/spiece.model"); }),
              HasSubstr("/nowhere/spiece.model"));
}

// The library reads beyond a damaged table, or loops in it: none may come that far.
TEST(Tokenizer, RefusesADamagedNormalisationTable) {
  const std::string whole = small_model();
  const auto field = [](uint32_t number, const std::string& bytes) {
    std::string out(1, static_cast<char>(number << 3 | 2));
    for (size_t n = bytes.size(); out.size() == 1 || n > 0; n >>= 7) {
      out += static_cast<char>((n & 0x7f) | (n >= 0x80 ? 0x80 : 0));
    }
    return out + bytes;
  };
  const auto table = [](const std::vector<uint32_t>& units, const std::string& texts) {
    std::string bytes;
    const auto put = [&bytes](uint32_t word) {
      for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift);
    };
    put(static_cast<uint32_t>(units.size() * 4));
    for (const uint32_t unit : units) put(unit);
    return bytes + texts;
  };
  std::vector<uint32_t> sound(512, 1U << 31);  // no label
  sound[0] = 1U << 10;                         // children at 1 ^ byte
  const std::string nothing(1, '\0');
  std::vector<uint32_t> far = sound;
  far[0] = 0x3fffffU << 10;
  std::vector<uint32_t> value = sound;
  value[1 ^ 'a'] = 1U << 8 | 'a';  // a leaf below 'a', at its own place
  value[1 ^ 'a'] |= (1U ^ 'a' ^ 300U) << 10;
  value[300] = 1U << 31 | 99;  // text 99 of one byte
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"abc", "too short for a size"},
      {table({}, nothing), "no trie"},
      {table(sound, ""), "no texts"},
      {table(sound, "a"), "texts that do not end"},
      {table(far, nothing), "children far away"},
      {table(value, nothing), "a value beyond the texts"},
      {std::string("\xff\xff\xff\x7f") + nothing, "a size beyond the end"}};
  for (const auto& [bytes, what] : cases) {
    for (const uint32_t normalizer : {3U, 5U}) {
      EXPECT_THAT(error_of([&, &bytes = bytes] {
                    Tokenizer::from_bytes(whole + field(normalizer, field(2, bytes)), "x.model");
                  }),
                  AllOf(HasSubstr("x.model"), HasSubstr("precompiled_charsmap")))
          << what;
    }
  }
  const Tokenizer merged =
      Tokenizer::from_bytes(whole + field(3, field(2, table(sound, nothing))), "x.model");
  EXPECT_FALSE(merged.encode("rainy").empty());
}

class OneTitle : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return done_; }
  void Next() override { done_ = true; }
  const std::string& value() const override { return kTitles[2]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  bool done_ = false;
};

TEST(Tokenizer, RefusesAModelWithOtherSpecialIds) {
  OneTitle title;
  std::string model;  // sentencepiece's own defaults: unk 0, bos 1, eos 2, no pad
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      "--minloglevel=100 --vocab_size=60 --hard_vocab_limit=false", &title, &model);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(error_of([&] { Tokenizer::from_bytes(model, "other.model"); }),
              AllOf(HasSubstr("other.model"), HasSubstr("pad"), HasSubstr("expected 0")));
}

TEST(TrainSentencepiece, RefusesACorpusWithoutText) {
  EXPECT_THAT(error_of([] { train_sentencepiece({}, {}, {}); }), HasSubstr("no titles"));
  EXPECT_THAT(error_of([] { train_sentencepiece({"a"}, {0}, {}); }), HasSubstr("no titles"));
  EXPECT_THAT(error_of([] {
                train_sentencepiece({"  ", "\u200b\u3000"}, {3, 1}, {});
              }),
              HasSubstr("no titles with text"));
}

TEST(TrainSentencepiece, RefusesAVocabularyTooSmallForItsCharacters) {
  EXPECT_THAT(error_of([] { train_sentencepiece(kTitles, kCounts, {.num_pieces = 20}); }),
              HasSubstr("raise the number of pieces"));
}

TEST(TrainSentencepiece, TakesACorpusOfOneWord) {
  const auto tokenizer = Tokenizer::from_bytes(train_sentencepiece({"chill"}, {1}, {}), "tiny");
  EXPECT_EQ(spelled(tokenizer, tokenizer.encode("chill")), " chill");
}

}  // namespace
}  // namespace tutti::data
