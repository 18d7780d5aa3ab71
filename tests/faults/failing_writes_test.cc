// Saves that are killed, or that meet a full or read-only disk, at every call of the C library that
// changes the file system. Before: the checkpoint of step 1. After: step 1 or step 2, whole.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct End {
  int code = -1, signal = 0;
};

struct Way {
  int ranks = 1;
  Commit commit = Commit::kRename;
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << way.ranks << (way.commit == Commit::kMarker ? " with a marker" : " by rename");
}

class FailingWrites : public testing::TestWithParam<Way> {
 protected:
  fs::path run() const { return folder_ / "run"; }

  // Saves `step` in a process of its own that meets `how` at its call number `at`.
  End save(int64_t step, const std::string& how = "", int at = 0, int keep = 1) const {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("LD_PRELOAD", TUTTI_FAILING_WRITES, 1);
      ::setenv("FAIL_UNDER", run().c_str(), 1);
      ::setenv("FAIL_HOW", how.c_str(), 1);
      ::setenv("FAIL_AT", std::to_string(at).c_str(), 1);
      ::setenv("FAIL_COUNT_TO", (folder_ / "calls").c_str(), 1);
      if (std::freopen((folder_ / "messages").c_str(), "w", stderr) == nullptr) ::_exit(99);
      ::execl(TUTTI_SAVE_PROBE, TUTTI_SAVE_PROBE, run().c_str(), std::to_string(step).c_str(),
              std::to_string(GetParam().ranks).c_str(), std::to_string(keep).c_str(),
              GetParam().commit == Commit::kMarker ? "marker" : "rename", nullptr);
      ::_exit(98);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? End{.signal = WTERMSIG(status)} : End{.code = WEXITSTATUS(status)};
  }

  // How many calls a save makes that replaces step 1 by step 2.
  int calls_of_a_save() {
    start_again();
    EXPECT_EQ(save(2).code, 0);
    int calls = 0;
    std::ifstream(folder_ / "calls") >> calls;
    return calls;
  }

  void start_again() {
    if (!fs::exists(folder_ / "before")) {
      ASSERT_EQ(save(1).code, 0);
      fs::rename(run(), folder_ / "before");
    }
    fs::remove_all(run());
    fs::copy(folder_ / "before", run(),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }

  // By this process.
  void save_next() const {
    CheckpointStore store(run(), GetParam().commit);
    const std::vector<float> values(64, 3.0F);
    CheckpointStore::Content content;
    for (const char* name : {"a", "b", "c"})
      content.model.push_back({name, TensorType::kF32, {8, 8}, values.data()});
    content.optimizer = {{"exp_avg", TensorType::kF32, {64}, values.data()}};
    content.state = {{"step", 3}};
    store.save(3, content, 1);
  }

  // The step of the newest good checkpoint, all of whose values must belong to it.
  int64_t opened_step() const {
    const Checkpoint checkpoint = open_checkpoint(run());
    const int64_t step = checkpoint.state.at("step");
    std::vector<float> values(64);
    checkpoint.optimizer().copy("exp_avg", TensorType::kF32, std::vector<int64_t>{64}, 0, 64,
                                values.data());
    for (const float value : values) EXPECT_EQ(value, static_cast<float>(step));
    for (const char* name : {"a", "b", "c"}) {
      checkpoint.model.copy(name, TensorType::kF32, std::vector<int64_t>{8, 8}, 0, 64,
                            values.data());
      for (const float value : values) EXPECT_EQ(value, static_cast<float>(step));
    }
    return step;
  }

  TempFolder folder_;
};

TEST_P(FailingWrites, AKillAtAnyOfThemLosesNoCheckpointAndSelectsNoPartialOne) {
  const std::string how = GetParam().ranks == 1 ? "kill" : "kill-half";
  const int calls = calls_of_a_save();
  ASSERT_GE(calls, 20);
  int became_visible = 0;
  int64_t last = 1;
  for (int at = 1; at <= calls; ++at) {
    start_again();
    ASSERT_EQ(save(2, how, at).signal, SIGKILL) << "call " << at << " of " << calls;
    const int64_t step = opened_step();
    EXPECT_TRUE(step == 1 || step == 2) << step;
    EXPECT_GE(step, last) << "call " << at << ": once there, a checkpoint stays";
    became_visible += step > last ? 1 : 0;
    last = step;
    // The next save works, and clears away what the killed one left.
    save_next();
    EXPECT_EQ(opened_step(), 3);
    for (const auto& entry : fs::directory_iterator(run() / "checkpoints")) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
      EXPECT_TRUE(fs::exists(entry.path() / "manifest.json")) << entry.path();
    }
  }
  EXPECT_EQ(became_visible, 1) << "one call makes the checkpoint visible";
  RecordProperty("calls", calls);
}

TEST_P(FailingWrites, AFullOrReadOnlyDiskIsCode7AndLeavesTheCheckpointBefore) {
  const std::string how = GetParam().ranks == 1 ? "ENOSPC" : "EROFS";
  const int calls = calls_of_a_save();
  int refused = 0;
  for (int at = 1; at <= calls; ++at) {
    start_again();
    const End end = save(2, how, at);
    const int64_t step = opened_step();
    // Behind the commit nothing but the old checkpoint can fail to go.
    if (step == 2 && end.code == 0) continue;
    EXPECT_EQ(end.code, 7) << how << " at call " << at << ": " << read_bytes(folder_ / "messages");
    EXPECT_THAT(read_bytes(folder_ / "messages"), HasSubstr(run().string()));
    ++refused;
  }
  EXPECT_GE(refused, 15);
}

INSTANTIATE_TEST_SUITE_P(Ways, FailingWrites,
                         testing::Values(Way{1}, Way{2}, Way{1, Commit::kMarker},
                                         Way{2, Commit::kMarker}));

}  // namespace
}  // namespace tutti::checkpoints
