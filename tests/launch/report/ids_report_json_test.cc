#include "launch/ids_report_json.h"

#include <gmock/gmock.h>

#include <limits>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

IdsReport small_report() {
  IdsReport report;
  report.id_table_hash = "aa";
  report.space = "semantic";
  report.norm = "raw";
  report.dataset_hash = "bb";
  report.embeddings_hash = "cc";
  auto& paths = report.paths;
  paths.num_tracks = 3;
  paths.levels = {{4, 3, 2, 1.5, 2.8, 0.1}, {4, 2, 2, 0.9, 1.9, 0.2}};
  paths.code_bits = 4;
  paths.joint_entropy_bits = 1.58;
  paths.shared_bits = {1.5, 0.3, 0.3, 0.9};
  paths.groups = {3, 3, 3, 1, 1, 1, 1};
  paths.sizes = {{1, 3, 3}};
  paths.prefixes = {{0, 1, 0.2, 3}, {1, 3, 0.5, 2}, {2, 3, 0, 0}};
  report.reconstruction = {.snr_db = {3, std::numeric_limits<double>::infinity()},
                           .bound_db = {2, 4},
                           .covariance_rows = 3,
                           .num_queries = 3,
                           .neighbours = 1,
                           .recall = 0.75};
  return report;
}

TEST(IdsReportJson, ComesBackAsItWasWritten) {
  const auto report = small_report();
  // Through text, where an infinite SNR is null.
  const auto document = nlohmann::json::parse(to_json(report).dump());
  const auto back = ids_report_of(document, "report.json");
  EXPECT_EQ(to_json(back), to_json(report));
  EXPECT_EQ(back.reconstruction->snr_db, report.reconstruction->snr_db);
  EXPECT_EQ(back.paths.groups.num_tracks, 3);
}

TEST(IdsReportJson, ComesBackWithoutEmbeddingsAndDataset) {
  auto report = small_report();
  report.reconstruction.reset();
  report.paths.prefixes.clear();
  report.dataset_hash = report.embeddings_hash = "";
  const auto back = ids_report_of(to_json(report), "report.json");
  EXPECT_EQ(to_json(back), to_json(report));
  EXPECT_FALSE(back.reconstruction.has_value());
}

TEST(IdsReportJson, RefusesAMatrixOfOtherLevels) {
  auto document = to_json(small_report());
  document["shared_bits"].push_back(1.0);
  EXPECT_THAT(message_of<DataError>([&] { ids_report_of(document, "r.json"); }),
              testing::HasSubstr("r.json: shared_bits"));
}

}  // namespace
}  // namespace tutti::launch
