#include "launch/text_table.h"

#include <gtest/gtest.h>

namespace tutti::launch {
namespace {

TEST(TextTable, AlignsColumnsByCodePoints) {
  EXPECT_EQ(align_columns({{"1", "Émile", "x"}, {"10", "Bo", "y"}}),
            "1   Émile  x\n"
            "10  Bo     y\n");
}

TEST(TextTable, LeavesOutColumnsThatAreEmptyInEveryRow) {
  EXPECT_EQ(align_columns({{"a", "", "b"}, {"c", "", "d"}}), "a  b\nc  d\n");
  EXPECT_EQ(align_columns({{"a", ""}, {"b", "c"}}), "a\nb  c\n");
}

TEST(TextTable, OfNoRowsIsEmpty) {
  EXPECT_EQ(align_columns({}), "");
}

TEST(MarkdownTable, EscapesWhatWouldBeMarkup) {
  EXPECT_EQ(markdown_table({{"a|b", "k"}, {"<i>\n_x_", "1"}}),
            "| a\\|b | k |\n| --- | ---: |\n| \\<i\\> \\_x\\_ | 1 |\n");
}

TEST(CsvTable, QuotesWhatWouldEndACell) {
  EXPECT_EQ(csv_table({{"a", "b"}, {"x,y", "say \"no\""}, {"two\nlines", ""}}),
            "a,b\n\"x,y\",\"say \"\"no\"\"\"\n\"two\nlines\",\n");
}

}  // namespace
}  // namespace tutti::launch
