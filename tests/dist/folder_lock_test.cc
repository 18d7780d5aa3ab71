#include "dist/runtime/folder_lock.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/process.h"
#include "tests/support/temp_folder.h"

namespace tutti {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;

constexpr FolderLockOptions kQuick = {.beat = milliseconds(20), .patience = milliseconds(200)};

// The number of a process that has ended.
pid_t gone_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

void write_lock(const TempFolder& folder, const std::string& space, int64_t pid, int64_t start) {
  write_bytes(
      folder / "lock.json",
      nlohmann::json{
          {"host", "node7"}, {"pid", pid}, {"process_space", space}, {"process_start", start}}
          .dump());
}

TEST(FolderLock, RefusesASecondHolderAndNamesTheFirst) {
  const TempFolder folder;
  const FolderLock first(folder.path(), kQuick);
  EXPECT_THAT(message_of<UsageError>([&] { const FolderLock second(folder.path(), kQuick); }),
              AllOf(HasSubstr(std::to_string(::getpid())), HasSubstr(host_name()),
                    HasSubstr(folder.path().string())));
}

TEST(FolderLock, LeavesNothingBehind) {
  const TempFolder folder;
  { const FolderLock lock(folder.path(), kQuick); }
  EXPECT_TRUE(folder.is_empty());
  const FolderLock again(folder.path(), kQuick);
}

TEST(FolderLock, TakesOverFromAProcessThatIsGone) {
  const TempFolder folder;
  write_lock(folder, process_space(), gone_process(), 1);
  const FolderLock lock(folder.path(), {.patience = std::chrono::hours(1)});  // known at once
  EXPECT_THAT(read_bytes(folder / "lock.json"), HasSubstr(std::to_string(::getpid())));
}

TEST(FolderLock, CountsAZombieAsGone) {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t ended;
  ::waitid(P_PID, child, &ended, WEXITED | WNOWAIT);  // ended, and left as it is
  write_lock(folder, process_space(), child, 1);
  EXPECT_EQ(process_start(child), 0);
  { const FolderLock lock(folder.path(), kQuick); }
  ::waitpid(child, nullptr, 0);
}

TEST(FolderLock, TellsAProcessFromALaterOneThatGotItsNumber) {
  const TempFolder folder;
  write_lock(folder, process_space(), ::getpid(), process_start(::getpid()) - 1);
  const FolderLock lock(folder.path(), {.patience = std::chrono::hours(1)});
}

TEST(FolderLock, TakesOverFromAnotherMachineOnlyWhenNobodyTouchesTheLock) {
  const TempFolder folder;
  write_lock(folder, "another boot", 4711, 1);
  { const FolderLock lock(folder.path(), kQuick); }

  write_lock(folder, "another boot", 4711, 1);
  std::jthread holder([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(milliseconds(10));
      std::filesystem::last_write_time(folder / "lock.json",
                                       std::filesystem::file_time_type::clock::now());
    }
  });
  EXPECT_THAT(message_of<UsageError>([&] { const FolderLock lock(folder.path(), kQuick); }),
              AllOf(HasSubstr("4711"), HasSubstr("node7")));
  EXPECT_THAT(read_bytes(folder / "lock.json"), HasSubstr("4711"));
}

TEST(FolderLock, IsTouchedWhileItIsHeld) {
  const TempFolder folder;
  const FolderLock lock(folder.path(), kQuick);
  const auto before = std::filesystem::last_write_time(folder / "lock.json");
  std::this_thread::sleep_for(milliseconds(120));
  EXPECT_GT(std::filesystem::last_write_time(folder / "lock.json"), before);
}

TEST(FolderLock, TakesOverWhatIsNoLock) {
  const TempFolder folder;
  write_bytes(folder / "lock.json", "");  // as a full disk may leave it
  const FolderLock lock(folder.path(), kQuick);
}

}  // namespace
}  // namespace tutti
