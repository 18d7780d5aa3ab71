#include "dist/runtime/files.h"

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti {
namespace {

TEST(WriteFile, ReplacesOrAppendsEveryByte) {
  const TempFolder folder;
  const std::string bytes("a\0b\n", 4);
  write_file(folder / "x", "something longer");
  write_file(folder / "x", bytes);
  EXPECT_EQ(read_bytes(folder / "x"), bytes);
  write_file(folder / "x", "c", std::ios::app);
  EXPECT_EQ(read_bytes(folder / "x"), bytes + "c");
}

TEST(WriteFile, NamesTheFileThatCannotBeWritten) {
  const TempFolder folder;
  write_file(folder / "file", "");
  const std::string below = (folder / "file" / "x").string();
  EXPECT_NE(message_of<StorageError>([&] { write_file(below, "y"); }).find(below),
            std::string::npos);
  EXPECT_NE(message_of<StorageError>([] { write_file("/dev/full", "y"); }).find("/dev/full"),
            std::string::npos);
}

}  // namespace
}  // namespace tutti
