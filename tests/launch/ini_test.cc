#include "launch/ini.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

using testing::HasSubstr;

class Ini : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) {
    std::ofstream(file_) << text;
    return file_;
  }
  void TearDown() override { std::filesystem::remove(file_); }

  std::filesystem::path file_ =
      testing::TempDir() + "tutti_ini_test_" + std::to_string(getpid()) + ".ini";
};

TEST_F(Ini, ReadsSectionsValuesAndLineNumbers) {
  const auto entries =
      read_ini(write("# a comment\nseed = 7\n\n[ids build]\n  out=a # b = c \r\n"));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].section, "");
  EXPECT_EQ(entries[0].key, "seed");
  EXPECT_EQ(entries[0].value, "7");
  EXPECT_EQ(entries[0].line, 2);
  EXPECT_EQ(entries[1].section, "ids build");
  EXPECT_EQ(entries[1].key, "out");
  EXPECT_EQ(entries[1].value, "a # b = c");
  EXPECT_EQ(entries[1].line, 5);
}

TEST_F(Ini, NamesTheLineThatIsNotAnOption) {
  try {
    read_ini(write("seed = 7\nwhat is this\n"));
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 2"));
    EXPECT_THAT(error.what(), HasSubstr("what is this"));
  }
}

TEST_F(Ini, RefusesAMissingFileAndAFolder) {
  EXPECT_THROW(read_ini(file_), UsageError);
  EXPECT_THROW(read_ini(testing::TempDir()), UsageError);
}

}  // namespace
}  // namespace tutti::launch
