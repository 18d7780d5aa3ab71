#include "dist/runtime/thread_pool.h"

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"

namespace tutti {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, CallsEveryBlockOnceInEachOfManyJobs) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.num_threads(), GetParam());
  for (int64_t num_blocks : {0, 1, 2, 5, 100, 1, 0, 37}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(num_blocks));
    std::atomic<bool> threads_fit = true;
    pool.for_each_block(num_blocks, [&](int64_t block, int thread) {
      ++calls.at(static_cast<size_t>(block));
      if (thread < 0 || thread >= GetParam()) threads_fit = false;
    });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
    EXPECT_TRUE(threads_fit);
  }
}

TEST_P(ThreadPoolTest, ThrowsTheExceptionOfTheLowestFailingBlockAndWorksAgain) {
  ThreadPool pool(GetParam());
  for (int repeat = 0; repeat < 50; ++repeat) {
    try {
      pool.for_each_block(100, [](int64_t block, int) {
        if (block >= 10) throw DataError("block " + std::to_string(block));
      });
      FAIL();
    } catch (const DataError& e) {
      EXPECT_STREQ(e.what(), "block 10");
    }
  }
  std::atomic<int> calls = 0;
  pool.for_each_block(20, [&](int64_t, int) { ++calls; });
  EXPECT_EQ(calls, 20);
}

TEST_P(ThreadPoolTest, NestedUseIsOurBug) {
  ThreadPool pool(GetParam());
  auto nested = [&](int64_t, int) { pool.for_each_block(1, [](int64_t, int) {}); };
  EXPECT_THROW(pool.for_each_block(1, nested), std::logic_error);
  EXPECT_NO_THROW(pool.for_each_block(1, [](int64_t, int) {}));
}

TEST(ThreadPool, RunsBlocksAtTheSameTime) {
  ThreadPool pool(2);
  std::atomic<int> arrived = 0;
  std::set<int> threads;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::array<int, 2> thread_of{};
  pool.for_each_block(2, [&](int64_t block, int thread) {
    thread_of.at(static_cast<size_t>(block)) = thread;
    ++arrived;  // each waits for the other: one thread alone would never finish
    while (arrived < 2 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
  EXPECT_NE(thread_of[0], thread_of[1]);
}

TEST(ThreadPool, OneThreadIsTheCaller) {
  ThreadPool pool(1);
  std::vector<int64_t> order;
  pool.for_each_block(4, [&, caller = std::this_thread::get_id()](int64_t block, int thread) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(thread, 0);
    order.push_back(block);
  });
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST(ThreadPool, ZeroThreadsIsOurBug) {
  EXPECT_THROW(ThreadPool(0), std::logic_error);
}

}  // namespace
}  // namespace tutti
