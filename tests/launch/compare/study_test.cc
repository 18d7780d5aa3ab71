#include "launch/compare/study.h"

#include <gmock/gmock.h>

#include <fstream>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class StudyFile : public testing::Test {
 protected:
  Study read(const std::string& text) {
    std::ofstream(path()) << text;
    return read_study(path());
  }
  std::string refusal(const std::string& text) {
    std::ofstream(path()) << text;
    return message_of<UsageError>([&] { read_study(path()); });
  }
  std::filesystem::path path() const { return dir_.path() / "study.ini"; }

 private:
  TempFolder dir_;
};

TEST_F(StudyFile, SaysWhatEachCommandIsGiven) {
  const Study study = read(
      "[compare-ids]\nbeam = 5\n[synth]\ntracks = 100\n[embed cf]\ndim = 64\n[embed "
      "rq-vae]\nembeddings = cf\n"
      "levels = 2\n[train]\nsteps = 3\n"
      "[ids names]\nstrategy = artist-track-name\npieces = 300\n"
      "[ids codes]\nembeddings = cf\nlevels = 2\n");
  EXPECT_TRUE(study.has_synth);
  EXPECT_THAT(study.synth, ElementsAre(Pair("tracks", "100")));
  EXPECT_THAT(study.train, ElementsAre(Pair("steps", "3")));
  EXPECT_THAT(study.embed.at("cf").settings, ElementsAre(Pair("dim", "64")));
  EXPECT_EQ(study.embed.at("cf").from, "");
  EXPECT_EQ(study.embed.at("rq-vae").from, "cf");
  ASSERT_EQ(study.strategies.size(), 2U);
  EXPECT_EQ(study.strategies[0].name, "names");
  EXPECT_EQ(study.strategies[0].vectors, "");
  EXPECT_THAT(study.strategies[0].ids,
              ElementsAre(Pair("strategy", "artist-track-name"), Pair("pieces", "300")));
  EXPECT_EQ(study.strategies[1].vectors, "cf");
  EXPECT_THAT(study.strategies[1].ids, ElementsAre(Pair("levels", "2")));
  EXPECT_EQ(study.find("codes"), &study.strategies[1]);
  EXPECT_EQ(study.find("other"), nullptr);
}

TEST_F(StudyFile, IsRefusedWithTheLineThatHasNoPlace) {
  EXPECT_THAT(refusal("[ids a]\nlevels = 2\n[trane]\nsteps = 3\n"),
              testing::AllOf(HasSubstr("line 4"), HasSubstr("[trane]")));
  EXPECT_THAT(refusal("[train]\nout = run\n"),
              testing::AllOf(HasSubstr("line 2"), HasSubstr("out")));
  EXPECT_THAT(refusal("[ids a]\nembeddings = text\n"),
              testing::AllOf(HasSubstr("line 2"), HasSubstr("[embed text]")));
  EXPECT_THAT(refusal("[embed rq-vae]\nembeddings = cf\n[embed cf]\ndim = 64\n"),
              testing::AllOf(HasSubstr("line 2"), HasSubstr("above")));
  EXPECT_THAT(refusal("[train]\nsteps = 3\n"), HasSubstr("[ids NAME]"));
}

TEST(ShippedStudies, HaveAllStrategiesOfTheStudy) {
  for (const char* name : {"demo.ini", "paper.ini"}) {
    const Study study =
        read_study(std::filesystem::path(TUTTI_SOURCE_DIR) / "launch/studies" / name);
    EXPECT_EQ(study.has_synth, std::string(name) == "demo.ini");
    for (const char* row : {"artist-track-name", "track-integer", "artist-track-integer",
                            "semantic-cf", "semantic-text"}) {
      EXPECT_NE(study.find(row), nullptr) << name << ": " << row;
    }
  }
}

TEST(StudyKey, FollowsTheSettingsAndNotTheirOrder) {
  const Settings settings = {{"levels", "2"}, {"beam", "8"}};
  const Settings turned = {{"beam", "8"}, {"levels", "2"}};
  const Settings other = {{"beam", "8"}, {"levels", "3"}};
  EXPECT_EQ(key_of(to_json(settings)), key_of(to_json(turned)));
  EXPECT_NE(key_of(to_json(settings)), key_of(to_json(other)));
  EXPECT_EQ(key_of(to_json(settings)).size(), 12U);
}

}  // namespace
}  // namespace tutti::launch
