// The NCCL module over the stand-in libraries of tests/dist/nccl_standin, which this program links.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "dist/nccl_communicator.h"
#include "dist/runtime/errors.h"
#include "tests/dist/nccl_standin/standin.h"
#include "tests/mpi/world.h"

namespace tutti {
namespace {

using test::world;
using testing::ElementsAre;

std::unique_ptr<Communicator> connect(int64_t max_chunk_elements = 1 << 28) {
  return make_nccl_communicator(world(), {.device = world().local_rank(),
                                          .module = TUTTI_NCCL_MODULE_PATH,
                                          .watch_every_s = 0.001,
                                          .max_chunk_elements = max_chunk_elements});
}

// Small integers: sums are exact in any order.
std::vector<float> part_of(int rank, int64_t n) {
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>((i + 3 * rank) % 17));
  return values;
}
std::vector<float> sum_of_parts(int64_t n) {
  std::vector<float> sum(static_cast<size_t>(n), 0);
  for (int r = 0; r < world().size(); ++r) {
    const std::vector<float> part = part_of(r, n);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
  }
  return sum;
}
// What follows on the compute stream has happened.
void synchronize() {
  cudaStreamSynchronize(nullptr);
}

class NcclModule : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(MaxChunkElements, NcclModule, testing::Values(97, 1000, 1 << 28));

TEST_P(NcclModule, SumsAndGathersWhatTheRanksGive) {
  const auto comm = connect(GetParam());
  const auto me = static_cast<size_t>(comm->rank());
  for (const int64_t n : {1, 5, 1000, 20001}) {
    // Equal parts and unequal ones: other NCCL calls.
    for (const int64_t total : {n, n * comm->size()}) {
      const std::vector<float> expected = sum_of_parts(total);
      const std::vector<int64_t> split = owned_splits(total, 1, comm->size());
      std::vector<float> whole = part_of(comm->rank(), total), parts = whole;
      comm->start_all_reduce_sum(whole.data(), total);
      comm->start_reduce_scatter_sum(parts.data(), split);
      comm->wait_for_bulk();
      synchronize();
      EXPECT_EQ(whole, expected) << total;
      EXPECT_TRUE(std::equal(parts.begin() + split[me], parts.begin() + split[me + 1],
                             expected.begin() + split[me]))
          << total;
      comm->start_all_gather(parts.data(), split);
      comm->wait_for_bulk();
      synchronize();
      EXPECT_EQ(parts, expected) << total;
    }
  }
}

TEST(NcclModuleOrder, CutsLargeCountsAndGroupsThePieces) {
  const auto comm = connect(400);
  std::vector<float> values = part_of(comm->rank(), 1000);
  standin::clear_calls();
  comm->start_all_reduce_sum(values.data(), 1000);
  comm->wait_for_bulk();
  EXPECT_THAT(standin::calls(),
              ElementsAre("cudaEventRecord default", "cudaStreamWaitEvent comm", "ncclGroupStart",
                          "ncclAllReduce 400", "ncclAllReduce 400", "ncclAllReduce 200",
                          "ncclGroupEnd", "cudaStreamWaitEvent default"));
  synchronize();
  EXPECT_EQ(values, sum_of_parts(1000));
}

TEST(NcclModuleOrder, StartsAndEndsANonBlockingCommunicatorWithAStreamOfItsOwn) {
  standin::clear_calls();
  connect();
  const std::string place =
      std::to_string(world().rank()) + " of " + std::to_string(world().size());
  EXPECT_THAT(standin::calls(),
              ElementsAre("cudaStreamCreate comm", "ncclCommInit " + place, "ncclCommFinalize",
                          "ncclCommDestroy", "cudaStreamDestroy comm"));
}

// Backward writes the gradient on the compute stream, late; the optimizer reads the sum there; the
// gather must see what the optimizer wrote. Each needs an event.
TEST(NcclModuleOrder, CollectivesWaitForTheComputeStreamAndItForThem) {
  const auto comm = connect();
  const int64_t n = 3000;
  const std::vector<int64_t> split = owned_splits(n, 16, comm->size());
  const auto me = static_cast<size_t>(comm->rank());
  std::vector<float> grads(static_cast<size_t>(n), -1), values(static_cast<size_t>(n), -1);
  const auto late = std::chrono::milliseconds(20);
  for (int step = 0; step < 3; ++step) {
    standin::launch(nullptr, [&] {
      std::this_thread::sleep_for(late);
      std::ranges::copy(part_of(comm->rank(), n), grads.begin());  // the "device" memory stays
    });
    comm->start_reduce_scatter_sum(grads.data(), split);
    comm->wait_for_bulk();
    standin::launch(nullptr, [&] {
      std::this_thread::sleep_for(late);
      for (auto i = static_cast<size_t>(split[me]); i < static_cast<size_t>(split[me + 1]); ++i) {
        values[i] = grads[i] + static_cast<float>(step);
      }
    });
    comm->start_all_gather(values.data(), split);
    comm->wait_for_bulk();
    std::vector<float> seen;
    standin::launch(nullptr, [&] { seen = values; });
    synchronize();
    std::vector<float> expected = sum_of_parts(n);
    for (float& value : expected) value += static_cast<float>(step);
    EXPECT_EQ(seen, expected) << "step " << step;
    comm->barrier();
  }
}

TEST(NcclModuleOrder, TellsHowLongTheComputeStreamWaited) {
  const auto comm = connect();
  std::vector<float> values(100000, 1);
  comm->start_all_reduce_sum(values.data(), std::ssize(values));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  comm->wait_for_bulk();
  synchronize();
  const BulkTimes hidden = comm->take_bulk_times();
  EXPECT_GT(hidden.busy_ms, 0);
  EXPECT_LT(hidden.exposed_ms, 100);
  standin::launch(nullptr, [&] {  // the last rank is late
    std::this_thread::sleep_for(std::chrono::milliseconds(world().rank() == 0 ? 0 : 200));
  });
  comm->start_all_reduce_sum(values.data(), std::ssize(values));
  comm->wait_for_bulk();
  synchronize();
  const BulkTimes exposed = comm->take_bulk_times();
  if (world().rank() == 0 && world().size() > 1) {
    EXPECT_GT(exposed.exposed_ms, 100);
  }
  EXPECT_LE(exposed.exposed_ms, exposed.busy_ms + 1);
}

TEST(NcclModule, CallsOnHostMemoryGoOverMpi) {
  const auto comm = connect();
  standin::clear_calls();
  EXPECT_EQ(comm->sum(int64_t{1}), comm->size());
  EXPECT_TRUE(standin::calls().empty());
}

// The same on all ranks, so that all throw.
TEST(NcclModule, AnotherMajorVersionIsRefused) {
  setenv("STANDIN_NCCL_VERSION", "30102", 1);
  try {
    connect();
    ADD_FAILURE() << "connected";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("NCCL: found version 3.1.2, expected 2.x"));
  }
  unsetenv("STANDIN_NCCL_VERSION");
  setenv("STANDIN_CUDA_VERSION", "12040", 1);
  EXPECT_THROW(connect(), UsageError);
  unsetenv("STANDIN_CUDA_VERSION");
}

TEST(NcclModule, AMissingDeviceIsRefused) {
  for (const char* devices : {"0", "1"}) {
    setenv("STANDIN_DEVICES", devices, 1);
    EXPECT_THROW(make_nccl_communicator(world(), {.device = 7, .module = TUTTI_NCCL_MODULE_PATH}),
                 UsageError);
  }
  unsetenv("STANDIN_DEVICES");
}

TEST(NcclModule, AModuleThatIsNotThereIsRefusedByName) {
  try {
    make_nccl_communicator(world(), {.module = "/nowhere/libtutti_nccl.so"});
    ADD_FAILURE() << "loaded";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/nowhere/libtutti_nccl.so"));
  }
}

}  // namespace
}  // namespace tutti
