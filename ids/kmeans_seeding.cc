#include <algorithm>
#include <limits>
#include <numeric>

#include "dist/runtime/rng.h"
#include "ids/fixed_point.h"
#include "ids/kmeans.h"
#include "ids/nearest_code.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int kRounds = 5;          // of k-means||, K candidates each on average
constexpr int kCandidateSteps = 5;  // weighted Lloyd steps on the candidates

uint64_t hash_of(uint64_t seed, int round, int64_t row) {
  const auto of_round = random_u64(seed, Purpose::kKMeansSeed, static_cast<uint64_t>(round));
  return random_u64(of_round, Purpose::kKMeansSeed, static_cast<uint64_t>(row));
}

// k-means|| over a sample of the table, each rank on the sampled rows that it owns.
class Oversampling {
 public:
  Oversampling(RowSource& rows, const KMeansOptions& options, Communicator& comm, ThreadPool& pool)
      : dim_(rows.dim()), options_(options), comm_(comm), pool_(pool) {
    const int64_t size = std::min(rows.total(), options.seed_rows_per_code * options.num_codes);
    const Permutation permutation(rows.total(), options.seed, Purpose::kKMeansSeed);
    std::vector<int64_t> places;
    for (int64_t i = 0; i < size; ++i) {
      const auto row = static_cast<int64_t>(permutation(i));
      if (i < options.num_codes) first_rows_.push_back(row);
      const int64_t place = row - rows.first();
      if (place >= 0 && place < rows.count()) places.push_back(place);
    }
    std::sort(places.begin(), places.end());
    for (const int64_t place : places) rows_.push_back(rows.first() + place);
    values_.resize(places.size() * dim_);
    rows.gather(places, values_.data());
    distances_.assign(places.size(), std::numeric_limits<double>::infinity());
    owners_.assign(places.size(), 0);

    double largest = max_abs(values_.data(), std::ssize(values_));
    comm.all_reduce(&largest, 1, DType::kFloat64, ReduceOp::kMax);
    scale_ = fixed_point_scale(size, 4.0 * static_cast<double>(dim_) * largest * largest);
  }

  void run() {
    add_candidates([&](int64_t i) { return rows_[i] == first_rows_[0]; });
    for (int round = 1; round <= kRounds; ++round) {
      const double energy = left_over();
      if (energy == 0) break;  // every row of the sample is a candidate, or equal to one
      const double wanted = static_cast<double>(options_.num_codes) / energy;
      add_candidates([&](int64_t i) {
        const auto ticket = static_cast<double>(hash_of(options_.seed, round, rows_[i]) >> 11);
        return ticket < distances_[i] * wanted * std::ldexp(1.0, 53);
      });
    }
    if (candidates_.num_codes < options_.num_codes) {  // of a small or repetitive table
      std::vector<int64_t> rows = first_rows_;
      std::sort(rows.begin(), rows.end());
      add_candidates(
          [&](int64_t i) { return std::binary_search(rows.begin(), rows.end(), rows_[i]); });
    }
  }

  const Codebook& candidates() const { return candidates_; }

  // Rows of the sample that each candidate is the nearest of.
  std::vector<int64_t> weights() {
    std::vector<int64_t> weights(candidates_.num_codes);
    for (const int32_t owner : owners_) ++weights[owner];
    comm_.all_reduce_sum(std::span<int64_t>(weights));
    return weights;
  }

 private:
  // Rows of the sample for which choose(i) holds join the candidates, in order of their number.
  template <typename Choose>
  void add_candidates(Choose choose) {
    std::vector<float> mine;
    for (int64_t i = 0; i < std::ssize(rows_); ++i) {
      if (choose(i)) mine.insert(mine.end(), &values_[i * dim_], &values_[(i + 1) * dim_]);
    }
    Codebook added{0, dim_, comm_.all_gather(std::span<const float>(mine))};
    added.num_codes = std::ssize(added.values) / dim_;
    if (added.num_codes == 0) return;
    const NearestCode nearest(added);
    std::vector<NearestCode::Scratch> threads(pool_.num_threads());
    pool_.for_each_block((std::ssize(rows_) + kRowBlock - 1) / kRowBlock, [&](int64_t b, int t) {
      const int64_t first = b * kRowBlock;
      const int64_t count = std::min(kRowBlock, std::ssize(rows_) - first);
      int32_t codes[kRowBlock];
      nearest.find(&values_[first * dim_], count, threads[t], codes);
      for (int64_t i = 0; i < count; ++i) {
        const double d =
            squared_distance(&values_[(first + i) * dim_], added.row(codes[i]).data(), dim_);
        if (d >= distances_[first + i]) continue;
        distances_[first + i] = d;
        owners_[first + i] = static_cast<int32_t>(candidates_.num_codes) + codes[i];
      }
    });
    candidates_.dim = dim_;
    candidates_.num_codes += added.num_codes;
    candidates_.values.insert(candidates_.values.end(), added.values.begin(), added.values.end());
  }

  double left_over() {
    int64_t sum = 0;
    for (const double d : distances_) sum += to_fixed_point(d, scale_);
    return static_cast<double>(comm_.sum(sum)) / scale_;
  }

  const int64_t dim_;
  const KMeansOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  std::vector<int64_t> first_rows_;  // of the permutation: K rows of the table, in its order
  std::vector<int64_t> rows_;        // this rank's rows of the sample, as rows of the table, rising
  std::vector<float> values_;        // [rows, D]
  std::vector<double> distances_;    // squared, to the nearest candidate
  std::vector<int32_t> owners_;      // which candidate that is
  double scale_ = 1;
  Codebook candidates_;
};

// k-means++ (Arthur and Vassilvitskii, SODA 2007) over weighted points: K of them. The same on
// every rank, from the same points.
Codebook choose_codes(const Codebook& points, const std::vector<int64_t>& weights,
                      const KMeansOptions& options, ThreadPool& pool) {
  const int64_t n = points.num_codes, dim = points.dim;
  Rng rng(options.seed, Purpose::kKMeansSeed);
  std::vector<double> distances(n, std::numeric_limits<double>::infinity()), mass(n);
  const auto draw = [&] {
    const double total = std::accumulate(mass.begin(), mass.end(), 0.0);
    if (!(total > 0)) return static_cast<int64_t>(rng.below(n));  // all points are codes
    double ticket = rng.uniform() * total;
    for (int64_t i = 0; i < n; ++i) {
      if (ticket < mass[i]) return i;
      ticket -= mass[i];
    }
    return std::distance(mass.begin(), std::max_element(mass.begin(), mass.end()));
  };
  std::copy(weights.begin(), weights.end(), mass.begin());
  Codebook codebook{options.num_codes, dim, {}};
  codebook.values.reserve(options.num_codes * dim);
  for (int64_t k = 0; k < options.num_codes; ++k) {
    const float* code = points.row(draw()).data();
    codebook.values.insert(codebook.values.end(), code, code + dim);
    pool.for_each_block((n + kRowBlock - 1) / kRowBlock, [&](int64_t block, int) {
      for (int64_t i = block * kRowBlock; i < std::min(n, (block + 1) * kRowBlock); ++i) {
        distances[i] = std::min(distances[i], squared_distance(points.row(i).data(), code, dim));
        mass[i] = distances[i] * static_cast<double>(weights[i]);
      }
    });
  }
  return codebook;
}

void refine_on_points(const Codebook& points, const std::vector<int64_t>& weights,
                      Codebook* codebook) {
  const int64_t dim = points.dim;
  NearestCode::Scratch scratch;
  for (int step = 0; step < kCandidateSteps; ++step) {
    const NearestCode nearest(*codebook);
    std::vector<double> sums(codebook->values.size()), counts(codebook->num_codes);
    for (int64_t first = 0; first < points.num_codes; first += kRowBlock) {
      const int64_t count = std::min(kRowBlock, points.num_codes - first);
      int32_t codes[kRowBlock];
      nearest.find(points.row(first).data(), count, scratch, codes);
      for (int64_t i = 0; i < count; ++i) {
        const auto weight = static_cast<double>(weights[first + i]);
        counts[codes[i]] += weight;
        for (int64_t j = 0; j < dim; ++j) {
          sums[codes[i] * dim + j] += weight * points.values[(first + i) * dim + j];
        }
      }
    }
    for (int64_t k = 0; k < codebook->num_codes; ++k) {
      if (counts[k] == 0) continue;
      for (int64_t j = 0; j < dim; ++j) {
        codebook->values[k * dim + j] = static_cast<float>(sums[k * dim + j] / counts[k]);
      }
    }
  }
}

}  // namespace

Codebook seed_codebook(RowSource& rows, const KMeansOptions& options, Communicator& comm,
                       ThreadPool& pool) {
  Oversampling oversampling(rows, options, comm, pool);
  oversampling.run();
  const auto weights = oversampling.weights();
  Codebook codebook = choose_codes(oversampling.candidates(), weights, options, pool);
  refine_on_points(oversampling.candidates(), weights, &codebook);
  return codebook;
}

}  // namespace tutti::ids
