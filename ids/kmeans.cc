#include "ids/kmeans.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "ids/fixed_point.h"
#include "ids/nearest_code.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

class Stopwatch {
 public:
  double lap() {
    const auto at = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(at - start_).count();
    start_ = at;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// What the rows of a step add up to, as integers: one message.
class Totals {
 public:
  Totals(int64_t num_codes, int64_t dim)
      : num_codes_(num_codes), dim_(dim), values_(num_codes * (dim + 1) + 2) {}

  int64_t* sums(int64_t code) { return values_.data() + code * (dim_ + 1); }  // [D], then the count
  int64_t& count(int64_t code) { return sums(code)[dim_]; }
  int64_t& objective() { return values_[num_codes_ * (dim_ + 1)]; }
  int64_t& rows_moved() { return values_[num_codes_ * (dim_ + 1) + 1]; }

  void clear() { std::fill(values_.begin(), values_.end(), 0); }
  void add(const Totals& other) {
    for (size_t i = 0; i < values_.size(); ++i) values_[i] += other.values_[i];
  }
  void all_reduce(Communicator& comm) { comm.all_reduce_sum(std::span<int64_t>(values_)); }

 private:
  int64_t num_codes_, dim_;
  std::vector<int64_t> values_;
};

class Lloyd {
 public:
  Lloyd(const RowShard& rows, const KMeansOptions& options, Communicator& comm, ThreadPool& pool)
      : rows_(rows), options_(options), comm_(comm), pool_(pool) {
    const double largest = max_abs(rows, comm);
    sum_scale_ = fixed_point_scale(rows.total, largest);
    // A code is a mean of rows, so no coordinate of a difference exceeds 2 max|x|.
    distance_scale_ = fixed_point_scale(rows.total, 4.0 * rows.dim * largest * largest);
    codes_.assign(rows.count, -1);
    distances_.resize(rows.count);
    for (int t = 0; t < pool.num_threads(); ++t) {
      threads_.push_back({Totals(options.num_codes, rows.dim), {}, {}});
    }
  }

  Codebook train(std::vector<KMeansStep>* log) {
    codebook_ = seed_codebook(rows_, options_, comm_, pool_);
    double previous = std::numeric_limits<double>::infinity();
    for (int step = 0; step < options_.max_steps; ++step) {
      KMeansStep now;
      Stopwatch watch;
      Totals& totals = assign();
      now.assign_s = watch.lap();
      totals.all_reduce(comm_);
      now.reduce_s = watch.lap();
      now.objective = static_cast<double>(totals.objective()) / distance_scale_;
      now.rows_moved = totals.rows_moved();
      const auto empty = update(totals, &now.largest_code);
      relocate(empty);
      now.empty_codes = std::ssize(empty);
      now.update_s = watch.lap();
      if (log) log->push_back(now);
      // All ranks decide from the same integers.
      if (now.rows_moved == 0 || previous - now.objective < options_.min_relative_drop * previous) {
        break;
      }
      previous = now.objective;
    }
    return std::move(codebook_);
  }

 private:
  struct Thread {
    Totals totals;
    AlignedFloats block;
    NearestCode::Scratch scratch;
  };

  Totals& assign() {
    for (auto& thread : threads_) thread.totals.clear();
    const NearestCode nearest(codebook_);
    pool_.for_each_block(num_row_blocks(rows_), [&](int64_t index, int t) {
      auto& [totals, block, scratch] = threads_[t];
      const auto part = row_block(rows_, index);
      copy_block(rows_, part, block);
      int32_t codes[kRowBlock];
      nearest.find(block, part, scratch, codes, &distances_[part.local]);
      for (int64_t i = 0; i < part.count; ++i) {
        const int64_t row = part.local + i;
        add_fixed_point(rows_.row(row), rows_.dim, sum_scale_, totals.sums(codes[i]));
        ++totals.count(codes[i]);
        totals.objective() += to_fixed_point(distances_[row], distance_scale_);
        totals.rows_moved() += codes_[row] != codes[i];
        codes_[row] = codes[i];
      }
    });
    for (size_t t = 1; t < threads_.size(); ++t) threads_[0].totals.add(threads_[t].totals);
    return threads_[0].totals;
  }

  // Codes become the means of their rows; returns those that have none.
  std::vector<int64_t> update(Totals& totals, int64_t* largest_code) {
    std::vector<int64_t> empty;
    for (int64_t k = 0; k < options_.num_codes; ++k) {
      const int64_t count = totals.count(k);
      *largest_code = std::max(*largest_code, count);
      if (count == 0) {
        empty.push_back(k);
        continue;
      }
      float* code = codebook_.values.data() + k * rows_.dim;
      for (int64_t j = 0; j < rows_.dim; ++j) {
        code[j] = static_cast<float>(static_cast<double>(totals.sums(k)[j]) / sum_scale_ /
                                     static_cast<double>(count));
      }
    }
    return empty;
  }

  // Puts the empty codes on the rows of the table that are farthest from their codes, lowest row
  // first among equals.
  void relocate(const std::vector<int64_t>& empty) {
    if (empty.empty()) return;
    struct Candidate {
      double distance;
      int64_t row;  // global
    };
    const auto farther = [](const Candidate& a, const Candidate& b) {
      return a.distance != b.distance ? a.distance > b.distance : a.row < b.row;
    };
    std::vector<Candidate> mine;
    for (int64_t i = 0; i < rows_.count; ++i) {
      if (distances_[i] > 0) mine.push_back({distances_[i], rows_.first + i});
    }
    const auto wanted = std::min(mine.size(), empty.size());
    std::partial_sort(mine.begin(), mine.begin() + wanted, mine.end(), farther);
    mine.resize(wanted);
    auto all = comm_.all_gather(std::span<const Candidate>(mine));
    std::sort(all.begin(), all.end(), farther);
    all.resize(std::min(all.size(), empty.size()));

    // One rank gives each row, the others zeros: the sum is exact.
    std::vector<float> vectors(all.size() * rows_.dim);
    for (size_t i = 0; i < all.size(); ++i) {
      const int64_t local = all[i].row - rows_.first;
      if (local < 0 || local >= rows_.count) continue;
      std::copy_n(rows_.row(local), rows_.dim, &vectors[i * rows_.dim]);
    }
    comm_.all_reduce_sum(std::span<float>(vectors));
    for (size_t i = 0; i < all.size(); ++i) {
      std::copy_n(&vectors[i * rows_.dim], rows_.dim, &codebook_.values[empty[i] * rows_.dim]);
    }
  }

  const RowShard& rows_;
  const KMeansOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  double sum_scale_ = 1, distance_scale_ = 1;
  Codebook codebook_;
  std::vector<int32_t> codes_;     // [count], of the last step
  std::vector<double> distances_;  // [count], squared, to them
  std::vector<Thread> threads_;
};

}  // namespace

Codebook train_kmeans(const RowShard& rows, const KMeansOptions& options, Communicator& comm,
                      ThreadPool& pool, std::vector<KMeansStep>* log) {
  if (rows.total < std::max<int64_t>(1, options.num_codes)) {
    throw DataError({"", "", fmt::format("{} rows", rows.total),
                     fmt::format("at least one a code, {}", options.num_codes),
                     "ask for fewer codes with --num-codes"});
  }
  TUTTI_CHECK(options.num_codes >= 1 && options.num_codes <= INT32_MAX && rows.dim >= 1,
              "at least one code and one dimension");
  require_finite(rows, comm);
  return Lloyd(rows, options, comm, pool).train(log);
}

}  // namespace tutti::ids
