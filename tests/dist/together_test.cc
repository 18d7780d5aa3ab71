#include "dist/together.h"

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/thread_communicator.h"

namespace tutti {
namespace {

// What each of three ranks throws ("" for nothing), with its code.
std::vector<std::pair<std::string, ExitCode>> ends_of(const std::function<void(int)>& work) {
  std::vector<std::pair<std::string, ExitCode>> ends(3, {"", ExitCode::kDone});
  run_ranks(3, [&](Communicator& comm) {
    try {
      run_together(comm, [&] { work(comm.rank()); });
    } catch (const Error& error) {
      ends[comm.rank()] = {error.what(), error.code()};
    } catch (const std::exception& error) {
      ends[comm.rank()] = {error.what(), ExitCode::kBug};
    }
    comm.barrier();  // all ranks are still in step
  });
  return ends;
}

TEST(RunTogether, ThrowsNothingWhenAllRanksSucceed) {
  for (const auto& [message, code] : ends_of([](int) {})) {
    EXPECT_EQ(message, "");
    EXPECT_EQ(code, ExitCode::kDone);
  }
}

TEST(RunTogether, ThrowsTheErrorOfTheLowestFailingRankOnAllRanks) {
  const auto ends = ends_of([](int rank) {
    if (rank == 1) throw StorageError("no space left for rank 1");
    if (rank == 2) throw DataError("a bad row on rank 2");
  });
  for (const auto& [message, code] : ends) {
    EXPECT_EQ(message, "no space left for rank 1");
    EXPECT_EQ(code, ExitCode::kStorage);
  }
}

TEST(RunTogether, CallsAnyOtherExceptionABug) {
  const auto ends = ends_of([](int rank) {
    if (rank == 2) throw std::runtime_error("unexpected");
  });
  for (const auto& [message, code] : ends) {
    EXPECT_EQ(message, "unexpected");
    EXPECT_EQ(code, ExitCode::kBug);
  }
}

}  // namespace
}  // namespace tutti
