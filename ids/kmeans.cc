#include "ids/kmeans.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "ids/farthest_rows.h"
#include "ids/fixed_point.h"
#include "ids/nearest_code.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int kBalanceSteps = 40;
constexpr double kPriceStep = 0.25;

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

// What rows add up to, as integers: one message. Wraps nowhere: see fixed_point_scale.
class Totals {
 public:
  Totals(int64_t num_codes, int64_t dim)
      : num_codes_(num_codes), dim_(dim), values_(num_codes * (dim + 1) + 2) {}

  int64_t* sums(int64_t code) { return values_.data() + code * dim_; }  // [D]
  int64_t& count(int64_t code) { return values_[num_codes_ * dim_ + code]; }
  int64_t& energy() { return values_[num_codes_ * (dim_ + 1)]; }  // sum of |x|^2
  int64_t& rows_moved() { return values_[num_codes_ * (dim_ + 1) + 1]; }

  void clear() { std::fill(values_.begin(), values_.end(), 0); }
  void add(const Totals& other) {
    for (size_t i = 0; i < values_.size(); ++i) values_[i] += other.values_[i];
  }
  void all_reduce(Communicator& comm) { comm.all_reduce_sum(std::span<int64_t>(values_)); }

  void prefetch(int64_t code) {
    const char* at = reinterpret_cast<const char*>(sums(code));
    for (int64_t byte = 0; byte < dim_ * 8; byte += 64) __builtin_prefetch(at + byte, 1);
  }

 private:
  int64_t num_codes_, dim_;
  std::vector<int64_t> values_;
};

class Lloyd {
 public:
  Lloyd(RowSource& rows, Codebook start, const KMeansOptions& options, double largest,
        Communicator& comm, ThreadPool& pool)
      : rows_(rows),
        options_(options),
        comm_(comm),
        pool_(pool),
        sum_scale_(fixed_point_scale(rows.total(), largest)),
        energy_scale_(
            fixed_point_scale(rows.total(), static_cast<double>(rows.dim()) * largest * largest)),
        codebook_(std::move(start)),
        codes_(rows.count(), -1),
        totals_(options.num_codes, rows.dim()) {
    for (int t = 0; t < pool.num_threads(); ++t) {
      threads_.push_back({Totals(options.num_codes, rows.dim()), {}, {}});
    }
  }

  Codebook train(std::vector<KMeansStep>* log) {
    double previous = std::numeric_limits<double>::infinity();
    for (int step = 0; step < options_.max_steps; ++step) {
      const auto now = take_step(log);
      // All ranks decide from the same integers.
      if (now.rows_moved == 0 || previous - now.objective < options_.min_relative_drop * previous) {
        break;
      }
      previous = now.objective;
    }
    if (options_.balance > 0) balance(log);
    return std::move(codebook_);
  }

 private:
  KMeansStep take_step(std::vector<KMeansStep>* log) {
    KMeansStep now;
    Stopwatch watch;
    Totals& changes = assign();
    now.assign_s = watch.lap();
    changes.all_reduce(comm_);
    totals_.add(changes);
    now.reduce_s = watch.lap();
    now.objective = objective();
    now.rows_moved = changes.rows_moved();
    update(&now);
    now.update_s = watch.lap();
    if (log) log->push_back(now);
    if (options_.on_step) options_.on_step(now);
    return now;
  }

  // Prices rise with the logarithm of how many times too many rows a code holds (the penalties of
  // Tavenard, Jegou, Amsaleg: "Balancing clusters to reduce response time variability in large
  // scale image search", 2011), in units of the distance to the next code, and fall likewise. A
  // crowd far from all other codes would not leave for any price: small codes are put beside its
  // own.
  void balance(std::vector<KMeansStep>* log) {
    const double allowed = std::max(1.0, options_.balance * static_cast<double>(rows_.total()) /
                                             static_cast<double>(options_.num_codes));
    codebook_.prices.assign(options_.num_codes, 0);
    Codebook best;
    int64_t smallest = std::numeric_limits<int64_t>::max();
    for (int step = 0; step < kBalanceSteps; ++step) {
      Codebook before = codebook_;  // what the step counts the rows of
      const auto now = take_step(log);
      if (now.largest_code < smallest) {
        smallest = now.largest_code;
        best = std::move(before);
      }
      if (static_cast<double>(now.largest_code) <= allowed) break;
      const auto units = distances_to_next_code();
      for (int64_t k = 0; k < options_.num_codes; ++k) {
        const auto count = static_cast<double>(std::max<int64_t>(1, totals_.count(k)));
        const double rise =
            kPriceStep * units[k] * std::clamp(std::log(count / allowed), -2.0, 2.0);
        codebook_.prices[k] = static_cast<float>(std::max(0.0, codebook_.prices[k] + rise));
      }
      split_crowded_codes(allowed);
    }
    codebook_ = std::move(best);
  }

  std::vector<double> distances_to_next_code() {  // squared
    std::vector<double> result(options_.num_codes);
    pool_.for_each_block(options_.num_codes, [&](int64_t k, int) {
      double least = std::numeric_limits<double>::infinity();
      for (int64_t other = 0; other < options_.num_codes; ++other) {
        const double d =
            squared_distance(codebook_.row(k).data(), codebook_.row(other).data(), codebook_.dim);
        if (d > 0) least = std::min(least, d);
      }
      result[k] = std::isinf(least) ? 0 : least;
    });
    return result;
  }

  // The smallest codes go beside those that hold more than they may, one to each.
  void split_crowded_codes(double allowed) {
    std::vector<int64_t> order(options_.num_codes);
    std::iota(order.begin(), order.end(), int64_t{0});
    std::ranges::stable_sort(order,
                             [&](auto a, auto b) { return totals_.count(a) > totals_.count(b); });
    const int64_t dim = codebook_.dim;
    for (size_t i = 0, j = order.size(); i + 1 < j; ++i) {
      const int64_t crowded = order[i], small = order[--j];
      if (static_cast<double>(totals_.count(crowded)) <= allowed ||
          static_cast<double>(totals_.count(small)) >= allowed / 2) {
        break;
      }
      for (int64_t d = 0; d < dim; ++d) {  // as faiss tells the two apart
        const float nudge = d % 2 == 0 ? 1.0F / 1024 : -1.0F / 1024;
        float& value = codebook_.values[crowded * dim + d];
        codebook_.values[small * dim + d] = value * (1 + nudge);
        value *= 1 - nudge;
      }
      codebook_.prices[small] = codebook_.prices[crowded];
    }
  }

  struct Thread {
    Totals changes;
    NearestCode::Scratch scratch;
    std::vector<int32_t> moved;  // rows of the block
  };

  // Gives every row its nearest code; returns what that changes in this rank's totals.
  Totals& assign() {
    for (auto& thread : threads_) thread.changes.clear();
    const NearestCode nearest(codebook_);
    rows_.for_each_block(pool_, [&](const float* values, const RowBlock& part, int t) {
      auto& [changes, scratch, moved] = threads_[t];
      int32_t codes[kRowBlock];
      nearest.find(values, part.count, scratch, codes);
      moved.clear();
      for (int32_t i = 0; i < part.count; ++i) {
        if (codes[i] != codes_[part.local + i]) moved.push_back(i);
      }
      changes.rows_moved() += std::ssize(moved);
      for (size_t m = 0; m < moved.size(); ++m) {
        // The sums of a thread are as large as its second-level cache: fetch the next row's early.
        if (m + 1 < moved.size()) {
          changes.prefetch(codes[moved[m + 1]]);
          changes.prefetch(std::max(0, codes_[part.local + moved[m + 1]]));
        }
        move(values + moved[m] * rows_.dim(), codes[moved[m]], &codes_[part.local + moved[m]],
             &changes);
      }
    });
    for (size_t t = 1; t < threads_.size(); ++t) threads_[0].changes.add(threads_[t].changes);
    return threads_[0].changes;
  }

  void move(const float* row, int32_t to, int32_t* code, Totals* changes) {
    const int32_t from = *code;
    *code = to;
    ++changes->count(to);
    if (from >= 0) {
      --changes->count(from);
    } else {
      changes->energy() += to_fixed_point(squared_norm(row, rows_.dim()), energy_scale_);
    }
    move_fixed_point(row, rows_.dim(), sum_scale_, changes->sums(to),
                     from >= 0 ? changes->sums(from) : nullptr);
  }

  // sum |x - c|^2 = sum |x|^2 - sum_k (2 s_k.c_k - n_k |c_k|^2), s_k the sum of the code's n_k
  // rows.
  double objective() {
    double explained = 0;
    for (int64_t k = 0; k < options_.num_codes; ++k) {
      const float* code = codebook_.row(k).data();
      explained += 2 * dot(totals_.sums(k), code, rows_.dim()) / sum_scale_ -
                   static_cast<double>(totals_.count(k)) * squared_norm(code, rows_.dim());
    }
    return std::max(0.0, static_cast<double>(totals_.energy()) / energy_scale_ - explained);
  }

  // Codes become the means of their rows; those without rows go to the farthest rows.
  void update(KMeansStep* step) {
    std::vector<int64_t> empty;
    for (int64_t k = 0; k < options_.num_codes; ++k) {
      if (totals_.count(k) == 0) empty.push_back(k);
      step->largest_code = std::max(step->largest_code, totals_.count(k));
    }
    step->empty_codes = std::ssize(empty);
    std::vector<float> far;
    if (!empty.empty()) {
      far = farthest_rows(rows_, codebook_, codes_, std::ssize(empty), comm_, pool_);
    }
    const int64_t dim = rows_.dim();
    for (int64_t k = 0; k < options_.num_codes; ++k) {
      const auto count = static_cast<double>(totals_.count(k));
      if (count == 0) continue;
      for (int64_t j = 0; j < dim; ++j) {
        codebook_.values[k * dim + j] =
            static_cast<float>(static_cast<double>(totals_.sums(k)[j]) / sum_scale_ / count);
      }
    }
    for (size_t e = 0; (e + 1) * dim <= far.size(); ++e) {
      std::copy_n(&far[e * dim], dim, &codebook_.values[empty[e] * dim]);
    }
  }

  RowSource& rows_;
  const KMeansOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  const double sum_scale_, energy_scale_;
  Codebook codebook_;
  std::vector<int32_t> codes_;  // [count], of the last step
  Totals totals_;               // of all ranks
  std::vector<Thread> threads_;
};

// Returns the largest magnitude of the rows.
double check_rows(RowSource& rows, const KMeansOptions& options, Communicator& comm,
                  ThreadPool& pool) {
  if (rows.total() < std::max<int64_t>(1, options.num_codes)) {
    throw DataError({"", "", fmt::format("{} rows", rows.total()),
                     fmt::format("at least one a code, {}", options.num_codes),
                     "ask for fewer codes with --num-codes"});
  }
  TUTTI_CHECK(options.balance == 0 || options.balance >= 1, "room for all rows");
  TUTTI_CHECK(options.num_codes >= 1 && options.num_codes <= INT32_MAX && rows.dim() >= 1,
              "at least one code and one dimension");
  return max_abs_of_finite(rows, comm, pool);
}

}  // namespace

Codebook train_kmeans(RowSource& rows, const KMeansOptions& options, Communicator& comm,
                      ThreadPool& pool, std::vector<KMeansStep>* log) {
  const double largest = check_rows(rows, options, comm, pool);
  Codebook start = seed_codebook(rows, options, comm, pool);
  return Lloyd(rows, std::move(start), options, largest, comm, pool).train(log);
}

Codebook refine_codebook(RowSource& rows, Codebook start, const KMeansOptions& options,
                         Communicator& comm, ThreadPool& pool, std::vector<KMeansStep>* log) {
  TUTTI_CHECK(start.num_codes == options.num_codes && start.dim == rows.dim());
  const double largest = check_rows(rows, options, comm, pool);
  return Lloyd(rows, std::move(start), options, largest, comm, pool).train(log);
}

}  // namespace tutti::ids
