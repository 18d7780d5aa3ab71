#include <algorithm>
#include <limits>

#include "dist/runtime/rng.h"
#include "ids/fixed_point.h"
#include "ids/kmeans.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

// The sampled rows of the whole table, ascending, on every rank: [sample, D].
std::vector<float> gather_sample(const RowShard& rows, int64_t size, uint64_t seed,
                                 Communicator& comm) {
  const Permutation permutation(rows.total, seed, Purpose::kKMeansSeed);
  std::vector<int64_t> mine;
  for (int64_t i = 0; i < size; ++i) {
    const auto row = static_cast<int64_t>(permutation(i));
    if (row >= rows.first && row < rows.first + rows.count) mine.push_back(row - rows.first);
  }
  std::sort(mine.begin(), mine.end());
  std::vector<float> values;
  values.reserve(mine.size() * rows.dim);
  for (int64_t local : mine) {
    values.insert(values.end(), rows.row(local), rows.row(local) + rows.dim);
  }
  return comm.all_gather(std::span<const float>(values));
}

// A row of the sample, drawn with probability proportional to its weight; all weights zero: any.
int64_t draw(const std::vector<int64_t>& weights, Rng& rng) {
  uint64_t total = 0;
  for (int64_t w : weights) total += w;
  if (total == 0) return static_cast<int64_t>(rng.below(weights.size()));
  uint64_t ticket = rng.below(total);
  int64_t row = 0;
  while (ticket >= static_cast<uint64_t>(weights[row])) ticket -= weights[row++];
  return row;
}

}  // namespace

Codebook seed_codebook(const RowShard& rows, const KMeansOptions& options, Communicator& comm,
                       ThreadPool& pool) {
  const int64_t dim = rows.dim;
  const int64_t size = std::min(rows.total, options.seed_rows_per_code * options.num_codes);
  const auto sample = gather_sample(rows, size, options.seed, comm);
  const double largest = max_abs(sample.data(), std::ssize(sample));
  const double scale = fixed_point_scale(size, 4.0 * dim * largest * largest);

  // From here on every rank computes the same from the same bytes.
  Rng rng(options.seed, Purpose::kKMeansSeed);
  Codebook codebook{options.num_codes, dim, {}};
  codebook.values.reserve(options.num_codes * dim);
  std::vector<int64_t> weights(size, std::numeric_limits<int64_t>::max());  // squared distances
  auto chosen = static_cast<int64_t>(rng.below(size));
  for (int64_t k = 0; k < options.num_codes; ++k) {
    const float* center = sample.data() + chosen * dim;
    codebook.values.insert(codebook.values.end(), center, center + dim);
    if (k + 1 == options.num_codes) break;
    pool.for_each_block((size + kRowBlock - 1) / kRowBlock, [&](int64_t block, int) {
      const int64_t last = std::min(size, (block + 1) * kRowBlock);
      for (int64_t i = block * kRowBlock; i < last; ++i) {
        const double distance = squared_distance(sample.data() + i * dim, center, dim);
        weights[i] = std::min(weights[i], to_fixed_point(distance, scale));
      }
    });
    chosen = draw(weights, rng);
  }
  return codebook;
}

}  // namespace tutti::ids
