#include "data/normalizer.h"

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

TEST(NormalizeTitle, FoldsCaseWidthAndBlanks) {
  EXPECT_EQ(normalize_title("  Rainy \t EVENING\n Piano "), "rainy evening piano");
  EXPECT_EQ(normalize_title("ＣＨＩＬＬ　ｖｉｂｅｓ"), "chill vibes");  // full width
  EXPECT_EQ(normalize_title("Straße"), "strasse");
  EXPECT_EQ(normalize_title("ﬁne ①"), "fine 1");  // ligature, circled digit
  EXPECT_EQ(normalize_title("Café"), normalize_title("Cafe\u0301"));
  EXPECT_EQ(normalize_title("ΌΛΑ"), "όλα");
  EXPECT_EQ(normalize_title("夏の歌"), "夏の歌");
}

TEST(NormalizeTitle, TurnsPunctuationAndSymbolsIntoBlanks) {
  EXPECT_EQ(normalize_title("rock/pop - (2016)!!"), "rock pop 2016");
  EXPECT_EQ(normalize_title("R&B_mix"), "r b mix");
  EXPECT_EQ(normalize_title("a\x01"
                            "b\x7f"
                            "c"),
            "a b c");
  EXPECT_EQ(normalize_title("$$ ♪ ... _"), "");
}

TEST(NormalizeTitle, DropsApostrophesInsideWordsOnly) {
  EXPECT_EQ(normalize_title("Don't"), "dont");
  EXPECT_EQ(normalize_title("don’t"), "dont");
  EXPECT_EQ(normalize_title("don`t don´t"), "dont dont");
  EXPECT_EQ(normalize_title("80's"), "80s");
  EXPECT_EQ(normalize_title("'quoted' words"), "quoted words");
  EXPECT_EQ(normalize_title("rock 'n' roll"), "rock n roll");
}

TEST(NormalizeTitle, KeepsEmojiApartFromText) {
  EXPECT_EQ(normalize_title("🔥🔥"), "🔥🔥");
  EXPECT_EQ(normalize_title("summer☀️"), "summer ☀");  // the variation selector goes
  EXPECT_EQ(normalize_title("summer ☀"), "summer ☀");
  EXPECT_EQ(normalize_title("🔥lit🔥"), "🔥 lit 🔥");
  EXPECT_EQ(normalize_title("👍🏽"), "👍");       // skin tone
  EXPECT_EQ(normalize_title("🇧🇷 funk"), "🇧🇷 funk");  // flag
  EXPECT_EQ(normalize_title("1️⃣"), "1");        // keycap
}

TEST(NormalizeTitle, LeavesNothingOfTitlesWithoutContent) {
  for (const char* title : {"", "   ", "...", "--", "\u200b", "\u0301", "🏽", "’"}) {
    EXPECT_EQ(normalize_title(title), "") << title;
  }
}

TEST(NormalizeTitle, TakesInvalidUtf8AsABlank) {
  EXPECT_EQ(normalize_title("caf\xe9 noir"), "caf noir");
  EXPECT_EQ(normalize_title("\xff\xfe"), "");
  EXPECT_EQ(to_valid_utf8("caf\xe9"), "caf\uFFFD");
  EXPECT_FALSE(is_valid_utf8("caf\xe9"));
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));  // a surrogate
  EXPECT_TRUE(is_valid_utf8("café 🔥"));
}

TEST(NormalizeTitle, ChangesNothingTheSecondTime) {
  // Text of characters from all over Unicode, and of bytes that are none.
  const std::string pieces[] = {"a",       "Z",  "'",      "´",      "\u0301", "ß",
                                "İ",       "ﷺ",  "🔥",      "🏽",   "\u200d", "☀️",
                                "1️⃣", "가", "\u1100", "\u1161", " ",      "-",
                                "\xff",    "½",  "ϓ",      "ſ",      "ẛ",      "\u0345"};
  Rng rng(1, Purpose::kTest);
  for (int i = 0; i < 20'000; ++i) {
    std::string title;
    for (uint64_t n = 1 + rng.below(8); n > 0; --n) title += pieces[rng.below(std::size(pieces))];
    const std::string once = normalize_title(title);
    ASSERT_EQ(normalize_title(once), once) << title;
    ASSERT_TRUE(is_valid_utf8(once));
  }
}

TEST(WordsOf, SplitsAtBlanks) {
  EXPECT_EQ(words_of("rainy evening piano"),
            (std::vector<std::string_view>{"rainy", "evening", "piano"}));
  EXPECT_TRUE(words_of("").empty());
}

}  // namespace
}  // namespace tutti::data
