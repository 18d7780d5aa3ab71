#include "launch/compare/table.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace tutti::launch {
namespace {

using testing::Contains;
using testing::ElementsAre;

StudyRow some_row(const std::string& name) {
  return {.strategy = name,
          .num_tracks = 400,
          .mean_tokens = 3.25,
          .decode_steps = 4,
          .rows_added = 77,
          .invalid = 0.125,
          .hits = {0.5, 0.4, 0.6},
          .seen = {0.75, 0.5, 1},
          .unseen = {0.25, 0.125, 0.375},
          .ratio = 1.25,
          .p_value = 0.01,
          .train_seconds = 12.4};
}

TEST(StudyTable, HasALineAStrategy) {
  const Table table = study_table({some_row("names")}, 10, "names");
  ASSERT_EQ(table.size(), 2U);
  EXPECT_THAT(table[0], Contains("hits@10"));
  EXPECT_THAT(table[1], ElementsAre("names", "yes", "3.25", "4.0", "77", "12.5 %", "0.500",
                                    "0.400 - 0.600", "1.25", "0.750", "0.250", "12"));
}

TEST(StudyTable, SaysWhatIsNotUniqueAndWhatCannotBeToldFromTheReference) {
  StudyRow row = some_row("codes");
  row.not_alone = 100;
  row.p_value = 0.2;
  row.train_seconds = 0;
  const Table table = study_table({row}, 10, "names");
  EXPECT_EQ(table[1][1], "no: 25.0 %");
  EXPECT_EQ(table[1][8], "1.25 =");
  EXPECT_EQ(table[1][11], "-");
  EXPECT_EQ(study_table({row}, 10, "codes")[1][8], "1.25");  // the reference itself
}

TEST(StudyTable, HasAColumnForEachFigure) {
  const Table figures = study_figures({some_row("names")}, 5);
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_EQ(figures[0].size(), figures[1].size());
  EXPECT_THAT(figures[0], Contains("hits@5"));
  EXPECT_THAT(figures[1], Contains("0.375"));
}

}  // namespace
}  // namespace tutti::launch
