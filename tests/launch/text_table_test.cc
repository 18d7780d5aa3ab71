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

}  // namespace
}  // namespace tutti::launch
