#include "launch/train/exit_record.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/files.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::launch {
namespace {

nlohmann::json record_in(const std::filesystem::path& run) {
  return nlohmann::json::parse(read_bytes(run / "exit.json"));
}

TEST(ExitRecord, SaysRunningThenHowTheStartEndedWhicheverRankSaysIt) {
  const TempFolder folder;
  const auto& run = folder.path();
  run_ranks(2, [&](Communicator& comm) {
    ExitRecord record(run, comm.rank(), comm.size());
    record.begin(comm, 40);
    comm.barrier();
    EXPECT_EQ(record_in(run)["code"], -1);
    EXPECT_EQ(record_in(run)["reason"], "running");
    comm.barrier();
    if (comm.rank() == 1) record.write(4, "error", 55, "rank 0 is lost");
  });
  EXPECT_EQ(record_in(run)["code"], 4);
  EXPECT_EQ(record_in(run)["rank"], 1);
  EXPECT_EQ(record_in(run)["step"], 55);
  EXPECT_EQ(record_in(run)["message"], "rank 0 is lost");
}

TEST(ExitRecord, OfAStartThatCameAfterIsNotSpokenOverByALateSurvivor) {
  const TempFolder folder;
  const auto& run = folder.path();
  const auto comm = make_single_communicator();
  ExitRecord frozen(run, 0, 1), next(run, 0, 1);
  frozen.begin(*comm, 0);
  next.begin(*comm, 100);
  frozen.write(4, "error", 7);
  EXPECT_EQ(record_in(run)["code"], -1);
  EXPECT_EQ(record_in(run)["step"], 100);
  next.write(0, "done", 200);
  EXPECT_EQ(record_in(run)["code"], 0);
}

TEST(ExitRecord, ThatWasTakenAwayDoesNotComeBack) {
  const TempFolder folder;
  const auto& run = folder.path();
  const auto comm = make_single_communicator();
  ExitRecord frozen(run, 0, 1);
  frozen.begin(*comm, 0);
  std::filesystem::remove(run / "exit.json");
  frozen.write(4, "error", 7);
  EXPECT_FALSE(std::filesystem::exists(run / "exit.json"));
}

TEST(ExitRecord, OfAnotherJobIsLeftAloneByOneThatHasNotBegun) {
  const TempFolder folder;
  const auto& run = folder.path();
  const auto comm = make_single_communicator();
  ExitRecord other(run, 0, 1);
  other.begin(*comm, 3);
  const ExitRecord refused(run, 0, 1);
  refused.write(2, "error", 0);
  EXPECT_EQ(record_in(run)["reason"], "running");
}

TEST(ExitRecord, HoldsWhatTheWorkThrewAndTheStepThatItHadComeTo) {
  const TempFolder folder;
  const auto& run = folder.path();
  const auto comm = make_single_communicator();
  ExitRecord record(run, 0, 1);
  record.begin(*comm, 0);
  int64_t step = 0;
  const auto work = [&]() -> int {
    step = 12;
    throw StorageError("no space left");
  };
  EXPECT_THROW(record.guard([&] { return step; }, work), StorageError);
  EXPECT_EQ(record_in(run)["code"], 7);
  EXPECT_EQ(record_in(run)["step"], 12);
}

}  // namespace
}  // namespace tutti::launch
