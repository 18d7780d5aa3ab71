#include "ids/joint_refit.h"

#include <algorithm>

#include "dist/runtime/errors.h"
#include "ids/fixed_point.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int kSweeps = 10;  // each cuts what is left to gain several times over

class NormalEquations {
 public:
  NormalEquations(RowSource& rows, std::span<const int32_t> codes, const Codebooks& codebooks,
                  Communicator& comm, ThreadPool& pool)
      : num_levels_(codebooks.num_levels()), dim_(codebooks.dim()) {
    for (const auto& level : codebooks.levels) {
      num_codes_.push_back(level.num_codes);
      first_code_.push_back(first_code_.back() + level.num_codes);
    }
    add_rows(rows, codes, comm, pool);
    count_pairs(rows, codes, comm, pool);
  }

  int64_t count(int64_t l, int64_t k) const { return counts_[first_code_[l] + k]; }
  // Sum of the rows of code k of level l, coordinate j.
  double sum(int64_t l, int64_t k, int64_t j) const {
    return static_cast<double>(sums_[(first_code_[l] + k) * dim_ + j]) / scale_;
  }
  // Rows that have code k of level l together with each code of level m: [K_m]
  const int32_t* together(int64_t l, int64_t k, int64_t m) const {
    return pairs_[l * num_levels_ + m].data() + k * num_codes_[m];
  }

 private:
  void add_rows(RowSource& rows, std::span<const int32_t> codes, Communicator& comm,
                ThreadPool& pool) {
    scale_ = fixed_point_scale(rows.total(), max_abs_of_finite(rows, comm, pool));
    const int64_t n = first_code_.back();
    // The counts follow the sums: one message.
    std::vector<std::vector<int64_t>> threads(pool.num_threads());
    for (auto& thread : threads) thread.resize(n * (dim_ + 1));
    rows.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
      auto& totals = threads[t];
      for (int64_t i = 0; i < part.count; ++i) {
        const int32_t* path = &codes[(part.local + i) * num_levels_];
        for (int64_t l = 0; l < num_levels_; ++l) {
          const int64_t code = first_code_[l] + path[l];
          add_fixed_point(values + i * dim_, dim_, scale_, &totals[code * dim_]);
          ++totals[n * dim_ + code];
        }
      }
    });
    sums_ = std::move(threads[0]);
    for (size_t t = 1; t < threads.size(); ++t) {
      for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += threads[t][i];
    }
    comm.all_reduce_sum(std::span<int64_t>(sums_));
    counts_.assign(sums_.begin() + n * dim_, sums_.end());
  }

  void count_pairs(RowSource& rows, std::span<const int32_t> codes, Communicator& comm,
                   ThreadPool& pool) {
    TUTTI_CHECK(rows.total() <= INT32_MAX, "pairs of codes are counted in 32 bits");
    pairs_.resize(num_levels_ * num_levels_);
    std::vector<std::pair<int64_t, int64_t>> jobs;
    for (int64_t l = 0; l < num_levels_; ++l) {
      for (int64_t m = l + 1; m < num_levels_; ++m) jobs.emplace_back(l, m);
    }
    pool.for_each_block(std::ssize(jobs), [&](int64_t job, int) {
      const auto [l, m] = jobs[job];
      auto& counts = pairs_[l * num_levels_ + m];
      counts.assign(num_codes_[l] * num_codes_[m], 0);
      for (int64_t i = 0; i < rows.count(); ++i) {
        const int32_t* path = &codes[i * num_levels_];
        ++counts[path[l] * num_codes_[m] + path[m]];
      }
    });
    for (const auto& [l, m] : jobs) {
      auto& counts = pairs_[l * num_levels_ + m];
      comm.all_reduce(counts.data(), std::ssize(counts), DType::kInt32, ReduceOp::kSum);
      auto& transposed = pairs_[m * num_levels_ + l];
      transposed.resize(counts.size());
      for (int64_t a = 0; a < num_codes_[l]; ++a) {
        for (int64_t b = 0; b < num_codes_[m]; ++b) {
          transposed[b * num_codes_[l] + a] = counts[a * num_codes_[m] + b];
        }
      }
    }
  }

  int64_t num_levels_, dim_;
  std::vector<int64_t> num_codes_, first_code_{0};
  double scale_ = 1;
  std::vector<int64_t> sums_, counts_;       // [codes, D] and [codes]
  std::vector<std::vector<int32_t>> pairs_;  // [L, L]: [K_l, K_m]
};

}  // namespace

void refit_codebooks(RowSource& rows, std::span<const int32_t> codes, Codebooks* codebooks,
                     Communicator& comm, ThreadPool& pool) {
  const NormalEquations equations(rows, codes, *codebooks, comm, pool);
  const int64_t num_levels = codebooks->num_levels(), dim = codebooks->dim();
  std::vector<std::vector<double>> solution;  // [L][K, D]
  for (const auto& level : codebooks->levels) {
    solution.emplace_back(level.values.begin(), level.values.end());
  }
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (int64_t l = 0; l < num_levels; ++l) {
      pool.for_each_block(codebooks->levels[l].num_codes, [&](int64_t k, int) {
        const auto count = static_cast<double>(equations.count(l, k));
        if (count == 0) return;
        double* code = &solution[l][k * dim];
        for (int64_t j = 0; j < dim; ++j) code[j] = equations.sum(l, k, j);
        for (int64_t m = 0; m < num_levels; ++m) {
          if (m == l) continue;
          const int32_t* together = equations.together(l, k, m);
          for (int64_t other = 0; other < codebooks->levels[m].num_codes; ++other) {
            if (together[other] == 0) continue;
            add_scaled(&solution[m][other * dim], dim, -together[other], code);
          }
        }
        for (int64_t j = 0; j < dim; ++j) code[j] /= count;
      });
    }
  }
  for (int64_t l = 0; l < num_levels; ++l) {
    std::copy(solution[l].begin(), solution[l].end(), codebooks->levels[l].values.begin());
  }
}

}  // namespace tutti::ids
