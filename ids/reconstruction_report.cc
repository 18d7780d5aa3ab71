#include "ids/reconstruction_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/nearest_rows.h"
#include "ids/radix_order.h"
#include "ids/residual_rows.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int64_t kCovarianceRows = 1 << 16;
// fp32 candidates a wanted neighbour: near ties are decided among them in fp64.
constexpr int kCandidates = 4;

// `count` of the rows, rising, by a keyed permutation.
std::vector<int64_t> sample_rows(int64_t total, int64_t count, uint64_t seed, uint64_t index) {
  const Permutation permutation(total, seed, Purpose::kIdReport, index);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < std::min(count, total); ++i) {
    rows.push_back(static_cast<int64_t>(permutation(i)));
  }
  std::ranges::sort(rows);
  return rows;
}

std::vector<float> vectors_of(RowSource& rows, std::span<const int64_t> places) {
  std::vector<float> vectors(std::ssize(places) * rows.dim());
  rows.gather(places, vectors.data());
  return vectors;
}

// Variances along the principal axes of these rows, about the origin: the mean is taken off.
std::vector<double> principal_variances(const std::vector<float>& vectors, int64_t dim) {
  const int64_t n = std::ssize(vectors) / dim;
  std::vector<double> sums(dim * dim);
  for (int64_t row = 0; row < n; ++row) {
    const float* x = vectors.data() + row * dim;
    for (int64_t i = 0; i < dim; ++i) {
      for (int64_t j = 0; j <= i; ++j) sums[i * dim + j] += static_cast<double>(x[i]) * x[j];
    }
  }
  for (int64_t i = 0; i < dim; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      sums[i * dim + j] /= static_cast<double>(n);
      sums[j * dim + i] = sums[i * dim + j];
    }
  }
  auto values = eigen_of_symmetric(sums, dim).values;
  for (double& value : values) value = std::max(0.0, value);  // rounding
  return values;
}

// Tracks by code path: path p belongs to order[starts[p], starts[p + 1]).
struct Paths {
  std::vector<int32_t> order, starts;

  int64_t size() const { return std::ssize(starts) - 1; }
  std::span<const int32_t> tracks_of(int64_t path) const {
    return std::span(order).subspan(starts[path], starts[path + 1] - starts[path]);
  }
};

Paths group_by_path(std::span<const int32_t> codes, int64_t num_levels) {
  Paths paths;
  const auto num_tracks = std::ssize(codes) / num_levels;
  paths.order = radix_order(code_columns(codes, num_levels), num_tracks);
  for (int64_t i = 0; i < num_tracks; ++i) {
    const int32_t* path = &codes[paths.order[i] * num_levels];
    if (i == 0 || !std::equal(path, path + num_levels, &codes[paths.order[i - 1] * num_levels])) {
      paths.starts.push_back(static_cast<int32_t>(i));
    }
  }
  paths.starts.push_back(static_cast<int32_t>(num_tracks));
  return paths;
}

void decode(const int32_t* path, const Codebooks& codebooks, float* out) {
  std::fill_n(out, codebooks.dim(), 0.0F);
  for (size_t l = 0; l < codebooks.levels.size(); ++l) {
    const auto code = codebooks.levels[l].row(path[l]);
    for (int64_t j = 0; j < codebooks.dim(); ++j) out[j] += code[j];
  }
}

// Energy of the vectors, then of what is left after each level: [L + 1]. Blocks are added up in
// their order, so threads do not matter.
std::vector<double> pass_over_rows(RowSource& vectors, std::span<const int32_t> codes,
                                   const Codebooks& codebooks, ThreadPool& pool,
                                   NearestRows* nearest) {
  const int64_t num_levels = codebooks.num_levels(), dim = codebooks.dim();
  const int64_t num_blocks = vectors.count() / kRowBlock + 1;
  std::vector<double> energies(num_blocks * (num_levels + 1));
  std::vector<std::vector<float>> rest(pool.num_threads(), std::vector<float>(dim));
  vectors.for_each_block(pool, [&](const float* rows, const RowBlock& part, int thread) {
    nearest->add(rows, part.local, part.count, thread);
    double* energy = &energies[part.local / kRowBlock * (num_levels + 1)];
    float* left = rest[thread].data();
    for (int64_t i = 0; i < part.count; ++i) {
      std::copy_n(rows + i * dim, dim, left);
      energy[0] += squared_norm(left, dim);
      const int32_t* path = &codes[(part.local + i) * num_levels];
      for (int64_t l = 0; l < num_levels; ++l) {
        subtract(codebooks.levels[l].row(path[l]).data(), dim, left);
        energy[l + 1] += squared_norm(left, dim);
      }
    }
  });
  std::vector<double> sums(num_levels + 1);
  for (size_t i = 0; i < energies.size(); ++i) sums[i % sums.size()] += energies[i];
  return sums;
}

// The paths that are nearest to each query's own, decoded.
void pass_over_paths(const Paths& paths, std::span<const int32_t> codes, const Codebooks& codebooks,
                     ThreadPool& pool, NearestRows* nearest) {
  const int64_t num_levels = codebooks.num_levels(), dim = codebooks.dim();
  std::vector<std::vector<float>> blocks(pool.num_threads(), std::vector<float>(kRowBlock * dim));
  pool.for_each_block((paths.size() + kRowBlock - 1) / kRowBlock, [&](int64_t block, int thread) {
    const int64_t first = block * kRowBlock;
    const int64_t count = std::min(kRowBlock, paths.size() - first);
    for (int64_t i = 0; i < count; ++i) {
      decode(&codes[paths.tracks_of(first + i)[0] * num_levels], codebooks,
             &blocks[thread][i * dim]);
    }
    nearest->add(blocks[thread].data(), first, count, thread);
  });
}

// The `k` tracks other than `track` on the nearest of these paths; on the last of them, whose
// tracks are equally near, by lot.
std::vector<int64_t> tracks_on(const std::vector<int64_t>& nearest_paths, const Paths& paths,
                               int64_t track, int64_t k, uint64_t seed) {
  std::vector<int64_t> chosen;
  for (const int64_t path : nearest_paths) {
    std::vector<int64_t> here;
    for (const int32_t other : paths.tracks_of(path)) {
      if (other != track) here.push_back(other);
    }
    const int64_t room = k - std::ssize(chosen);
    if (std::ssize(here) > room) {
      Rng rng(seed, Purpose::kIdReport, static_cast<uint64_t>(track) << 2 | 2);
      for (int64_t i = 0; i < room; ++i) {
        std::swap(here[i], here[i + static_cast<int64_t>(rng.below(here.size() - i))]);
      }
      here.resize(room);
    }
    chosen.insert(chosen.end(), here.begin(), here.end());
    if (std::ssize(chosen) == k) break;
  }
  return chosen;
}

// The candidate paths by their distance from the query in fp64.
std::vector<int64_t> rank_paths(const NearestRows& search, int64_t query, const Paths& paths,
                                std::span<const int32_t> codes, const Codebooks& codebooks) {
  const int64_t num_levels = codebooks.num_levels();
  std::vector<std::pair<double, int64_t>> ranked;
  std::vector<float> decoded(codebooks.dim());
  for (const int64_t path : search.candidates(query)) {
    decode(&codes[paths.tracks_of(path)[0] * num_levels], codebooks, decoded.data());
    ranked.emplace_back(squared_distance(search.query(query), decoded.data(), codebooks.dim()),
                        path);
  }
  std::ranges::sort(ranked);
  std::vector<int64_t> result;
  result.reserve(ranked.size());
  for (const auto& [distance, path] : ranked) result.push_back(path);
  return result;
}

// Some rows of the table by their number: read once, in rising order.
class SomeRows {
 public:
  SomeRows(RowSource& vectors, std::vector<int64_t> places)
      : dim_(vectors.dim()), places_(std::move(places)) {
    std::ranges::sort(places_);
    places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
    values_ = vectors_of(vectors, places_);
  }
  const float* operator[](int64_t place) const {
    return &values_[(std::ranges::lower_bound(places_, place) - places_.begin()) * dim_];
  }

 private:
  int64_t dim_;
  std::vector<int64_t> places_;
  std::vector<float> values_;
};

// `tracks`: the queries. `by_vector`, `by_code`: after their passes.
double measure_recall(RowSource& vectors, const std::vector<int64_t>& tracks, const Paths& paths,
                      std::span<const int32_t> codes, const Codebooks& codebooks,
                      const NearestRows& by_vector, const NearestRows& by_code,
                      const ReconstructionOptions& options) {
  const int64_t k = std::min<int64_t>(options.neighbours, vectors.total() - 1);
  std::vector<std::vector<int64_t>> near(tracks.size()), found(tracks.size());
  std::vector<int64_t> places;
  for (size_t q = 0; q < tracks.size(); ++q) {
    near[q] = by_vector.candidates(static_cast<int64_t>(q));
    std::erase(near[q], tracks[q]);
    found[q] = tracks_on(rank_paths(by_code, static_cast<int64_t>(q), paths, codes, codebooks),
                         paths, tracks[q], k, options.seed);
    places.insert(places.end(), near[q].begin(), near[q].end());
    places.insert(places.end(), found[q].begin(), found[q].end());
  }
  const SomeRows rows(vectors, std::move(places));
  int64_t right = 0;
  for (size_t q = 0; q < tracks.size(); ++q) {
    const auto distances_to = [&](const std::vector<int64_t>& others) {
      std::vector<double> distances;
      distances.reserve(others.size());
      for (const int64_t other : others) {
        distances.push_back(squared_distance(by_vector.query(static_cast<int64_t>(q)), rows[other],
                                             codebooks.dim()));
      }
      return distances;
    };
    auto nearest = distances_to(near[q]);
    std::ranges::nth_element(nearest, nearest.begin() + (k - 1));
    for (const double distance : distances_to(found[q])) right += distance <= nearest[k - 1];
  }
  return static_cast<double>(right) / static_cast<double>(k * std::ssize(tracks));
}

}  // namespace

double gaussian_bound_db(std::vector<double> variances, double bits) {
  // Each axis above the water spends 0.5 log2(variance / water) bits and errs by the water, the
  // others err by all they have. The more axes are out of the water, the more bits it takes to hold
  // it there: find how many are.
  std::ranges::sort(variances, std::greater<>());
  const double signal = std::accumulate(variances.begin(), variances.end(), 0.0);
  if (signal <= 0) return 0;
  double log_sum = 0, under_water = signal, water = 0;
  for (size_t n = 1; n <= variances.size() && variances[n - 1] > 0; ++n) {
    log_sum += std::log2(variances[n - 1]);
    under_water -= variances[n - 1];
    water = std::exp2((log_sum - 2 * bits) / static_cast<double>(n));
    if (n == variances.size() || water >= variances[n]) {
      return 10 *
             std::log10(signal / (water * static_cast<double>(n) + std::max(0.0, under_water)));
    }
  }
  return 0;
}

ReconstructionReport report_reconstruction(RowSource& rows, std::span<const int32_t> codes,
                                           const Codebooks& codebooks,
                                           const ReconstructionOptions& options, ThreadPool& pool) {
  const int64_t num_levels = codebooks.num_levels(), dim = codebooks.dim(), total = rows.total();
  TUTTI_CHECK(rows.count() == total && std::ssize(codes) == total * num_levels && rows.dim() == dim,
              "codes of all rows in one process");
  ReconstructionReport report;
  if (total < 2) return report;
  ResidualRows vectors(rows, codebooks.norm, codebooks.mean);

  const auto tracks = sample_rows(total, options.num_queries, options.seed, 0);
  report.num_queries = std::ssize(tracks);
  report.neighbours = static_cast<int>(std::min<int64_t>(options.neighbours, total - 1));
  const int num_kept = kCandidates * report.neighbours + 1;  // the track itself is among them
  NearestRows by_vector(vectors_of(vectors, tracks), dim, num_kept, pool.num_threads());
  const auto energies = pass_over_rows(vectors, codes, codebooks, pool, &by_vector);
  for (int64_t l = 1; l <= num_levels; ++l) {
    report.snr_db.push_back(energies[0] == 0 ? 0 : 10 * std::log10(energies[0] / energies[l]));
  }

  const auto sampled = sample_rows(total, kCovarianceRows, options.seed, 1);
  report.covariance_rows = std::ssize(sampled);
  const auto variances = principal_variances(vectors_of(vectors, sampled), dim);
  double bits = 0;
  for (const auto& level : codebooks.levels) {
    bits += std::log2(static_cast<double>(level.num_codes));
    report.bound_db.push_back(gaussian_bound_db(variances, bits));
  }

  const auto paths = group_by_path(codes, num_levels);
  std::vector<float> decoded(report.num_queries * dim);
  for (int64_t q = 0; q < report.num_queries; ++q) {
    decode(&codes[tracks[q] * num_levels], codebooks, &decoded[q * dim]);
  }
  NearestRows by_code(std::move(decoded), dim, num_kept, pool.num_threads());
  pass_over_paths(paths, codes, codebooks, pool, &by_code);
  report.recall =
      measure_recall(vectors, tracks, paths, codes, codebooks, by_vector, by_code, options);
  return report;
}

}  // namespace tutti::ids
