#include "data/requests.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::data {
namespace {

class Requests : public testing::Test {
 protected:
  std::filesystem::path file_of(const std::string& text) {
    std::ofstream(folder_ / "requests.txt") << text;
    return folder_ / "requests.txt";
  }
  std::string complaint_about(const std::string& text) {
    RequestTemplates templates = bundled_requests();
    try {
      add_requests(file_of(text), &templates);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }
  TempFolder folder_;
};

TEST_F(Requests, AreInTheProgramAndInOneListOnly) {
  const RequestTemplates templates = bundled_requests();
  EXPECT_GE(templates.training.size(), 20U);
  EXPECT_GE(templates.evaluation.size(), 5U);
  EXPECT_NO_THROW(require_apart(templates.training, templates.evaluation, "run"));
}

TEST_F(Requests, PutTheTitleInItsPlace) {
  EXPECT_EQ(as_request("can you play {}?", "old {} classics"), "can you play old {} classics?");
}

TEST_F(Requests, AreAddedToByAFile) {
  RequestTemplates templates = bundled_requests();
  const RequestTemplates before = templates;
  add_requests(
      file_of("# ours\n[training]\nspin {} for me\nPlay {}!\n\n[evaluation]\n{}, anyone?\n"),
      &templates);
  EXPECT_EQ(templates.training.size(), before.training.size() + 1) << "'Play {}!' was known";
  EXPECT_EQ(templates.training.back(), "spin {} for me");
  EXPECT_EQ(templates.evaluation.back(), "{}, anyone?");
}

TEST_F(Requests, RefuseWhatIsNoTemplate) {
  EXPECT_NE(complaint_about("[training]\nplay it\n").find("line 2: found 'play it'"),
            std::string::npos);
  EXPECT_NE(complaint_about("[training]\n{} or {}\n").find("line 2"), std::string::npos);
  EXPECT_NE(complaint_about("play {}\n").find("line 1"), std::string::npos);
  EXPECT_NE(complaint_about("[testing]\n").find("'[testing]'"), std::string::npos);
}

TEST_F(Requests, RefuseATemplateInBothLists) {
  EXPECT_NE(complaint_about("[evaluation]\nPLAY ME some {}!\n").find("other list"),
            std::string::npos);
  EXPECT_THROW(require_apart({"play {}", "{} play"}, {"Play {}."}, "run"), DataError);
  EXPECT_NO_THROW(require_apart({"play {}"}, {"{} play"}, "run"));
}

TEST_F(Requests, FallOnTheSameShareOfPlaylistsEveryTime) {
  std::map<int64_t, int64_t> uses;
  constexpr int64_t kPlaylists = 40'000;
  for (int64_t p = 0; p < kPlaylists; ++p) {
    const int64_t request = request_of(7, p, 0.25, 4);
    EXPECT_EQ(request, request_of(7, p, 0.25, 4));
    ++uses[request];
  }
  EXPECT_NEAR(static_cast<double>(uses[-1]) / kPlaylists, 0.75, 0.01);
  for (int64_t r = 0; r < 4; ++r) {
    EXPECT_NEAR(static_cast<double>(uses[r]) / kPlaylists, 0.0625, 0.005);
  }
  EXPECT_EQ(request_of(7, 1, 0, 4), -1);
  EXPECT_GE(request_of(7, 1, 1, 4), 0);
}

TEST_F(Requests, OfTrainingTakeAShareAndAFile) {
  EXPECT_TRUE(training_requests(0, "").empty());
  EXPECT_EQ(training_requests(0.5, "").size(), bundled_requests().training.size());
  EXPECT_THROW(training_requests(0, "file.txt"), UsageError);
  for (const double share : {-0.1, 1.1, std::nan("")}) {
    EXPECT_THROW(training_requests(share, ""), UsageError) << share;
  }
}

}  // namespace
}  // namespace tutti::data
