#include "ids/ials_rows.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ids/ials_solver.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int64_t kRowsPerTask = 64;

}  // namespace

double row_penalty(const IalsOptions& options, int64_t num_entries, int64_t num_other) {
  return options.regularization *
         std::pow(static_cast<double>(num_entries) +
                      options.unobserved_weight * static_cast<double>(num_other),
                  options.frequency_power);
}

void solve_rows(const HalfEpoch& half, const IalsOptions& options, float* own, RowSums* sums,
                ThreadPool& pool) {
  const int64_t dim = options.dim, num_rows = half.rows.size();
  std::vector<float> weighted_gram(half.spectrum.begin(), half.spectrum.end());
  for (float& value : weighted_gram) value *= static_cast<float>(options.unobserved_weight);
  std::vector<IalsRowSolver> solvers;
  solvers.reserve(pool.num_threads());
  for (int t = 0; t < pool.num_threads(); ++t) {
    solvers.emplace_back(half.other, weighted_gram.data(), dim);
  }
  const int64_t num_tasks = (num_rows + kRowsPerTask - 1) / kRowsPerTask;
  std::vector<RowSums> task_sums(sums ? num_tasks : 0);
  pool.for_each_block(num_tasks, [&](int64_t task, int t) {
    const int64_t last = std::min(num_rows, (task + 1) * kRowsPerTask);
    for (int64_t i = task * kRowsPerTask; i < last; ++i) {
      float* x = own + i * dim;
      const auto entries = half.rows.row(i);
      if (entries.empty()) {
        std::fill_n(x, dim, 0.0F);
        continue;
      }
      const double lambda = row_penalty(options, std::ssize(entries), half.num_other);
      if (half.exact) {
        solvers[t].solve_exactly(entries, lambda, x);
      } else {
        solvers[t].solve_by_cg(entries, lambda, options.cg_steps, x);
      }
      if (!sums) continue;
      task_sums[task].squared_error += solvers[t].squared_error();
      task_sums[task].penalty += lambda * squared_norm(x, dim);
    }
  });
  if (!sums) return;
  *sums = {};
  for (const auto& part : task_sums) {
    sums->squared_error += part.squared_error;
    sums->penalty += part.penalty;
  }
}

}  // namespace tutti::ids
