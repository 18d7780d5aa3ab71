#include "trainer/gradient_reducer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include "tests/support/relative_difference.h"
#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_net.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;

std::vector<float> gradient_of_one_rank() {
  const auto single = make_single_communicator();
  return reduced_gradient(*single, {}, 1).grads;
}

TEST(GradientReducer, UnevenMicroBatchesOnAnyNumberOfRanksSumToTheGradientOfTheUnion) {
  const std::vector<float> expected = gradient_of_one_rank();
  double expected_norm = 0;
  for (const float g : expected) expected_norm += g * g;
  for (const int num_ranks : {1, 2, 3, 5}) {
    for (const int64_t num_micro_batches : {1, 2, 4}) {
      for (const int64_t bucket_elements : {16, 100, 100000}) {
        run_ranks(num_ranks, [&](Communicator& comm) {
          const ReducedGradient found =
              reduced_gradient(comm, {.bucket_elements = bucket_elements}, num_micro_batches);
          EXPECT_LE(relative_difference(found.grads, expected), 1e-5);
          EXPECT_NEAR(found.norm, std::sqrt(expected_norm), 1e-5 * found.norm);
        });
      }
    }
  }
}

TEST(GradientReducer, SlicesCoverTheBufferOnceAndHoldTheSum) {
  const std::vector<float> expected = gradient_of_one_rank();
  for (const int num_ranks : {1, 2, 3, 5}) {
    std::vector<float> together(expected.size(), 0);
    std::vector<int> owners(expected.size(), 0);
    std::mutex mutex;
    run_ranks(num_ranks, [&](Communicator& comm) {
      const ReducedGradient found =
          reduced_gradient(comm, {.bucket_elements = 300, .zero = true}, 2);
      const std::lock_guard lock(mutex);
      for (const Range& part : found.owned) {
        std::copy(found.grads.begin() + part.first, found.grads.begin() + part.last,
                  together.begin() + part.first);
        for (int64_t i = part.first; i < part.last; ++i) ++owners[static_cast<size_t>(i)];
      }
      double squares = 0;
      for (const float g : expected) squares += g * g;
      EXPECT_NEAR(found.norm, std::sqrt(squares), 1e-5 * found.norm);
    });
    EXPECT_EQ(owners, std::vector<int>(expected.size(), 1)) << num_ranks << " ranks";
    EXPECT_LE(relative_difference(together, expected), 1e-5) << num_ranks << " ranks";
  }
}

TEST(GradientReducer, GathersValuesFromTheirOwners) {
  run_ranks(3, [](Communicator& comm) {
    SmallNet net;
    GradientReducer reducer(net.parameters(), net.flat(), comm,
                            {.bucket_elements = 100, .zero = true});
    auto* values = net.flat().values.mutable_data_ptr<float>();
    std::fill_n(values, net.flat().values.numel(), -1.0F);
    for (const Range& part : reducer.owned()) {
      std::iota(values + part.first, values + part.last, static_cast<float>(part.first));
    }
    std::vector<float> expected(static_cast<size_t>(net.flat().values.numel()));
    std::iota(expected.begin(), expected.end(), 0.0F);

    reducer.gather_values();
    EXPECT_EQ(net.values(), expected);
  });
}

// Writes down when a collective starts, among the marks that a test makes.
class RecordingCommunicator : public ThreadCommunicator {
 public:
  RecordingCommunicator(ThreadWorld& world, int rank, const float* flat)
      : ThreadCommunicator(world, rank), flat_(flat) {}
  void start_all_reduce_sum(float* data, int64_t count) override {
    events.push_back("sum from " + std::to_string(data - flat_));
    ThreadCommunicator::start_all_reduce_sum(data, count);
  }
  void wait_for_bulk() override { events.emplace_back("wait"); }
  std::vector<std::string> events;

 private:
  const float* flat_;
};

TEST(GradientReducer, LaunchesBucketsInOneOrderWhileBackwardGoesOn) {
  ThreadWorld world(2);
  std::vector<std::vector<std::string>> events(2);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      SmallNet net;
      RecordingCommunicator comm(world, rank, net.flat().grads.const_data_ptr<float>());
      GradientReducer reducer(net.parameters(), net.flat(), comm, {.bucket_elements = 304});
      reducer.begin_last_backward(0);
      if (rank == 0) net.loss(0, 4).backward();  // rank 1 has no rows: it sends zeros
      comm.events.emplace_back("end of backward");
      reducer.finish();
      events[static_cast<size_t>(rank)] = comm.events;
    });
  }
  for (auto& rank : ranks) rank.join();
  // The buffer: unused [0, 64), in [64, 304), twice [304, 704), sometimes [704, 848), out [848,
  // 912), scale [912, 944). `unused` never completes, and holds back the bucket that it shares.
  EXPECT_THAT(events[0], ElementsAre("sum from 304", "sum from 608", "sum from 912",
                                     "end of backward", "sum from 0", "wait"));
  EXPECT_THAT(events[1], ElementsAre("end of backward", "sum from 304", "sum from 608",
                                     "sum from 912", "sum from 0", "wait"));
}

TEST(GradientReducer, OneRankLaunchesNothing) {
  ThreadWorld world(1);
  SmallNet net;
  RecordingCommunicator comm(world, 0, net.flat().grads.const_data_ptr<float>());
  GradientReducer reducer(net.parameters(), net.flat(), comm, {});
  reducer.begin_last_backward(0);
  net.loss(0, 4).backward();
  reducer.finish();
  reducer.gather_values();
  EXPECT_TRUE(comm.events.empty());
}

TEST(GradientReducer, ItsHooksGoWithIt) {
  run_ranks(2, [](Communicator& comm) {
    SmallNet net;
    { const GradientReducer gone(net.parameters(), net.flat(), comm, {}); }
    EXPECT_NO_THROW(net.loss(0, 4).backward());
  });
}

TEST(GradientReducer, CallsOutOfOrderAreOurBug) {
  const auto comm = make_single_communicator();
  SmallNet net;
  GradientReducer reducer(net.parameters(), net.flat(), *comm, {});
  EXPECT_THROW(reducer.finish(), std::logic_error);
  reducer.begin_last_backward(0);
  EXPECT_THROW(reducer.begin_last_backward(1), std::logic_error);
}

}  // namespace
}  // namespace tutti::trainer
