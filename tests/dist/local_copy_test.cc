#include "dist/local_copy.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LocalCopy : public testing::Test {
 protected:
  void SetUp() override {
    ArtefactWriter writer(source(), "dataset");
    write_file(writer.file("one.h5"), std::string(5000, 'a'));
    write_file(writer.file("deep/two.h5"), "two");
    manifest_ = writer.commit({});
  }
  fs::path source() const { return folder_ / "shared"; }
  fs::path node() const { return folder_ / "node"; }

  // Two ranks of one node.
  fs::path copy() const {
    fs::path where;
    run_ranks(2, [&](Communicator& comm) {
      const fs::path to = copy_to_each_node(comm, source(), manifest_, node());
      if (comm.is_root()) where = to;
    });
    return where;
  }

  TempFolder folder_;
  Manifest manifest_;
};

TEST_F(LocalCopy, IsTheArtefactByteForByte) {
  const fs::path to = copy();
  EXPECT_EQ(to.parent_path(), node());
  EXPECT_EQ(read_manifest(to, "dataset").hash, manifest_.hash);
  verify_files(to, manifest_);
  EXPECT_EQ(read_bytes(to / "deep/two.h5"), "two");
}

TEST_F(LocalCopy, ThatIsThereIsUsedAgain) {
  const fs::path to = copy();
  const auto before = fs::last_write_time(to / "one.h5");
  EXPECT_EQ(copy(), to);
  EXPECT_EQ(fs::last_write_time(to / "one.h5"), before);
}

TEST_F(LocalCopy, OfADamagedArtefactIsRefusedAndNotLeftBehind) {
  write_file(source() / "one.h5", std::string(4999, 'a') + "b");
  try {
    copy();
    FAIL() << "copied a damaged file";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("one.h5"));
  }
  for (const auto& entry : fs::directory_iterator(node()))
    EXPECT_THAT(entry.path().filename().string(), testing::EndsWith(".lock"));
}

TEST_F(LocalCopy, ThatWasDamagedOnTheNodeIsMadeAgain) {
  const fs::path to = copy();
  write_file(to / "deep/two.h5", "owt");
  EXPECT_EQ(copy(), to);
  verify_files(to, manifest_);
}

TEST_F(LocalCopy, AfterAKilledCopyBeginsAgain) {
  const fs::path to = copy();
  fs::rename(to, node() / ("." + to.filename().string() + ".tmp"));
  fs::remove(node() / ("." + to.filename().string() + ".tmp") / "one.h5");
  EXPECT_EQ(copy(), to);
  verify_files(to, manifest_);
}

TEST_F(LocalCopy, ToAPlaceThatCannotBeWrittenIsAStorageError) {
  write_file(node(), "a file");
  EXPECT_THROW(copy(), StorageError);
}

}  // namespace
}  // namespace tutti
