#include "launch/report/inputs.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/launch/report/report_case.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

using testing::HasSubstr;

class ReportInputsTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const nlohmann::json& document) const {
    return write_bytes(folder_ / name, document.dump()).string();
  }
  std::string refusal_of(const std::vector<std::string>& paths) const {
    return message_of<DataError>([&] { read_report_inputs(paths); });
  }
  const TempFolder folder_;
};

TEST_F(ReportInputsTest, TellsFilesByTheirContent) {
  write_bytes(folder_ / "run/log.jsonl", "");
  write_bytes(folder_ / "trec/seen_titles.topics.tsv", "");
  const auto inputs =
      read_report_inputs({(folder_ / "trec").string(), file("a", scores_document()),
                          (folder_ / "run").string(), file("b", scores_document())});
  EXPECT_EQ(inputs.scores.size(), 2U);
  EXPECT_EQ(inputs.runs.size(), 1U);
  EXPECT_EQ(inputs.trec_folders.size(), 1U);
  EXPECT_FALSE(inputs.ids.has_value());
}

TEST_F(ReportInputsTest, NamesRunsOfOneNameByTheirPaths) {
  write_bytes(folder_ / "a/run/log.jsonl", "");
  write_bytes(folder_ / "b/run/log.jsonl", "");
  const auto inputs =
      read_report_inputs({(folder_ / "a/run").string(), (folder_ / "b/run").string()});
  EXPECT_NE(inputs.runs[0].name, inputs.runs[1].name);
  EXPECT_THAT(inputs.runs[1].name, HasSubstr("b_run"));
}

TEST_F(ReportInputsTest, RefusesWhatIsNothingOfOurs) {
  EXPECT_THAT(refusal_of({(folder_ / "nothere").string()}), HasSubstr("nothere"));
  EXPECT_THAT(refusal_of({file("x.json", {{"a", 1}})}), HasSubstr("x.json"));
  EXPECT_THAT(refusal_of({folder_.path().string()}), HasSubstr("something else"));
}

TEST_F(ReportInputsTest, RefusesScoresOfAnotherDataset) {
  auto other = scores_document();
  other["dataset"] = "0therda7a5e7";
  const auto message = refusal_of({file("a", scores_document()), file("b", other)});
  EXPECT_THAT(message, HasSubstr("dataset 0therda7a5e7"));
  EXPECT_THAT(message, HasSubstr("dataset d0d0d0d0d0d0 as of"));
}

TEST_F(ReportInputsTest, RefusesScoresWithoutTheirHeadlineOrTheirBestRow) {
  auto document = scores_document();
  document["blocks"][0]["rows"][0]["metrics"].erase("hits@10");
  EXPECT_THAT(refusal_of({file("a", document)}), HasSubstr("rows[0].metrics: found no 'hits@10'"));
  document = scores_document();
  document["blocks"][1]["best"] = 2;
  EXPECT_THAT(refusal_of({file("a", document)}), HasSubstr("blocks[1].best: found 2"));
}

}  // namespace
}  // namespace tutti::launch
