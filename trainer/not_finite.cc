#include "trainer/not_finite.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/ops/abs.h>
#include <ATen/ops/max.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tutti::trainer {
namespace {

std::string ranks_text(const std::vector<int>& ranks) {
  return fmt::format("{} {}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(ranks, ", "));
}

}  // namespace

NotFinitePlace place_of_bad_loss(Communicator& comm, bool is_mine) {
  const std::array<int64_t, 1> mine = {is_mine ? 1 : 0};
  const std::vector<int64_t> all = comm.all_gather(std::span<const int64_t>(mine));
  std::vector<int> bad;
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (all[static_cast<size_t>(rank)] != 0) bad.push_back(rank);
  }
  return {.phase = "loss",
          .rank = bad.empty() ? -1 : bad.front(),
          .text = "the loss of " + ranks_text(bad)};
}

NotFinitePlace place_of_bad_gradient(Communicator& comm, std::span<const Parameter> parameters) {
  std::array<double, 2> mine = {-1, 0};  // the first parameter that is bad, the largest element
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].value.requires_grad()) continue;
    const auto largest = parameters[i].value.grad().abs().max().item<double>();  // NaN stays NaN
    if (std::isfinite(largest)) {
      mine[1] = std::max(mine[1], largest);
    } else if (mine[0] < 0) {
      mine[0] = static_cast<double>(i);
    }
  }
  const std::vector<double> all = comm.all_gather(std::span<const double>(mine));
  std::vector<int> bad;
  int largest_on = 0;
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (all[2 * rank] >= 0) bad.push_back(rank);
    if (all[2 * rank + 1] > all[2 * largest_on + 1]) largest_on = rank;
  }
  if (bad.empty()) {
    return {.phase = "sum",
            .rank = -1,
            .text = fmt::format("the sum of gradients: computed once more, that of each rank is "
                                "finite (largest: {:.1e} on rank {})",
                                all[2 * largest_on + 1], largest_on)};
  }
  const auto parameter = static_cast<size_t>(all[2 * bad.front()]);
  return {
      .phase = "backward",
      .rank = bad.front(),
      .text = fmt::format("the gradient of {} ({})", ranks_text(bad), parameters[parameter].name)};
}

}  // namespace tutti::trainer
