#include "trainer/evaluate/trec_files.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string content_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class TrecFiles : public testing::Test {
 protected:
  TrecFiles() {
    for (const char* key : {"t:a", "two words", "50%", "d"}) keys_.push_back(key);
    queries_.name = "seen titles";
    queries_.titles = {"rainy day", "tab\there"};
    queries_.title_of = {0, 1, 0};
    queries_.normalized_of = {0, 1, 0};
    queries_.relevant = {0, 1, 2, 3};
    queries_.offsets = {0, 2, 3, 4};
  }

  TrecRun read(const std::string& text) {
    std::ofstream(folder_.path() / "x.run") << text;
    return read_trec_run(folder_.path() / "x.run", queries_, names_);
  }
  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const DataError& e) {
      return e.what();
    }
    return "no error";
  }

  TempFolder folder_;
  data::StringTable keys_;
  TrecNames names_{keys_};
  QuerySet queries_;
};

TEST_F(TrecFiles, WriteALineARecommendationWithScoresThatFallStrictly) {
  const std::vector<std::vector<Recommendation>> lists = {{{1, 2.0F}, {2, 2.0F}, {0, 3.0F}},
                                                          {{3, -1.0F}}};
  write_trec_run(folder_.path() / "a.run", queries_, lists, names_, "ours");
  EXPECT_EQ(content_of(folder_.path() / "a.run"),
            "seen_titles-0 Q0 two%20words 1 2 ours\n"
            "seen_titles-0 Q0 50%25 2 1.99999988 ours\n"
            "seen_titles-0 Q0 t:a 3 1.99999976 ours\n"
            "seen_titles-1 Q0 d 1 -1 ours\n"
            "seen_titles-2 Q0 two%20words 1 2 ours\n"
            "seen_titles-2 Q0 50%25 2 1.99999988 ours\n"
            "seen_titles-2 Q0 t:a 3 1.99999976 ours\n");
}

TEST_F(TrecFiles, ReadBackTheListsThatWereWritten) {
  const std::vector<std::vector<Recommendation>> lists = {{{1, 0.5F}, {2, 0.5F}, {0, 0.5F}},
                                                          {{3, -1.0F}}};
  write_trec_run(folder_.path() / "a.run", queries_, lists, names_, "ours");
  const TrecRun run = read_trec_run(folder_.path() / "a.run", queries_, names_);
  EXPECT_EQ(run.tag, "ours");
  EXPECT_EQ(run.unanswered, 0);
  ASSERT_EQ(run.lists.size(), 3U);
  for (int query : {0, 2}) {
    ASSERT_EQ(run.lists[query].size(), 3U);
    EXPECT_EQ(run.lists[query][0].track, 1);
    EXPECT_EQ(run.lists[query][1].track, 2);
    EXPECT_EQ(run.lists[query][2].track, 0);
  }
}

TEST_F(TrecFiles, WriteQrelsAndTopics) {
  write_trec_qrels(folder_.path() / "q", queries_, names_);
  EXPECT_EQ(content_of(folder_.path() / "q"),
            "seen_titles-0 0 t:a 1\nseen_titles-0 0 two%20words 1\nseen_titles-1 0 50%25 1\n"
            "seen_titles-2 0 d 1\n");
  write_trec_topics(folder_.path() / "t", queries_);
  EXPECT_EQ(content_of(folder_.path() / "t"),
            "seen_titles-0\trainy day\nseen_titles-1\ttab here\nseen_titles-2\trainy day\n");
}

TEST_F(TrecFiles, OrderByScoreThenDocnoBackwardsAsTrecEvalDoes) {
  const TrecRun run = read(
      "seen_titles-0 Q0 d 1 1 x\nseen_titles-0 Q0 t:a 2 1 x\n"
      "seen_titles-0  Q0\t50%25 3 7e0 x\nother-5 Q0 nonsense 1 1 x\n");
  EXPECT_EQ(run.unanswered, 2);
  ASSERT_EQ(run.lists[0].size(), 3U);
  EXPECT_EQ(run.lists[0][0].track, 2);
  EXPECT_EQ(run.lists[0][1].track, 0) << "'t:a' is behind 'd' in the alphabet";
  EXPECT_EQ(run.lists[0][2].track, 3);
}

TEST_F(TrecFiles, NameTheLineThatIsWrong) {
  EXPECT_THAT(error_of("seen_titles-0 Q0 d 1 1\n"), HasSubstr("line 1: found 5 fields"));
  EXPECT_THAT(error_of("seen_titles-0 Q0 d 1 1 x y\n"), HasSubstr("more than 6"));
  EXPECT_THAT(error_of("seen_titles-0 Q0 d 1 1 x\nseen_titles-0 Q0 t:a 1 high x\n"),
              HasSubstr("line 2: found high"));
  EXPECT_THAT(error_of("seen_titles-0 Q0 d 1 nan x\n"), HasSubstr("a finite score"));
  EXPECT_THAT(error_of("seen_titles-0 Q0 e 1 1 x\n"), HasSubstr("the key of a track"));
  EXPECT_THAT(error_of("seen_titles-0 Q0 d 1 2 x\nseen_titles-0 Q0 d 2 1 x\n"),
              HasSubstr("track d twice"));
  EXPECT_THAT(error_of("q1 Q0 d 1 2 x\n"), HasSubstr("topics like 'seen_titles-0'"));
}

}  // namespace
}  // namespace tutti::trainer
