#include "trainer/gradient_reducer.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/mpi/world.h"
#include "tests/trainer/small_net.h"

namespace tutti::trainer {
namespace {

using test::world;

TEST(GradientReducer, RanksAndMicroBatchesOfUnevenDataEqualOneRankOnTheUnion) {
  const auto single = make_single_communicator();
  const std::vector<float> expected = reduced_gradient(*single, {}, 1).grads;
  for (const int64_t num_micro_batches : {1, 3}) {
    for (const bool zero : {false, true}) {
      const ReducedGradient found =
          reduced_gradient(world(), {.bucket_elements = 200, .zero = zero}, num_micro_batches);
      double difference = 0, reference = 0;
      for (const Range& part : found.owned) {
        for (auto i = static_cast<size_t>(part.first); i < static_cast<size_t>(part.last); ++i) {
          difference += std::pow(found.grads[i] - expected[i], 2);
          reference += std::pow(expected[i], 2);
        }
      }
      EXPECT_LE(world().sum(difference), 1e-10 * world().sum(reference)) << zero;
    }
  }
}

TEST(GradientReducer, SumsAreTheSameBytesInEveryRunAndInEverySlice) {
  const ReducedGradient first = reduced_gradient(world(), {.bucket_elements = 200}, 2),
                        again = reduced_gradient(world(), {.bucket_elements = 1 << 20}, 2),
                        slices =
                            reduced_gradient(world(), {.bucket_elements = 200, .zero = true}, 2);
  EXPECT_EQ(first.grads, again.grads);
  for (const Range& part : slices.owned) {
    EXPECT_EQ(std::memcmp(slices.grads.data() + part.first, first.grads.data() + part.first,
                          static_cast<size_t>(part.size()) * sizeof(float)),
              0);
  }
}

}  // namespace
}  // namespace tutti::trainer
