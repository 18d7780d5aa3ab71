#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "dist/runtime/rng.h"
#include "ids/ials.h"

// Implicit ALS by brute force in double precision, and random playlists to run it on.
namespace tutti::ids {

using Lists = std::vector<std::vector<int32_t>>;  // playlists -> tracks

inline Lists random_playlists(int num_playlists, int num_tracks, uint64_t seed) {
  Lists playlists(num_playlists);
  for (int p = 0; p < num_playlists; ++p) {
    Rng rng(seed, Purpose::kTest, p);
    for (int32_t t = 0; t < num_tracks - 1; ++t) {  // the last track is in none
      if (rng.below(6) == 0) playlists[p].push_back(t);
    }
  }
  playlists[1].clear();
  return playlists;
}

// `lists` must outlive the source.
inline PlaylistSource source_of(const Lists& lists, int64_t num_tracks) {
  return {std::ssize(lists), num_tracks,
          [&lists](int64_t first, int64_t last, const SeePlaylist& see) {
            for (int64_t i = first; i < last; ++i) see(i, lists[i]);
          }};
}

// Gauss-Jordan elimination with pivots; a [d, d + 1] is the matrix with its right-hand side.
inline std::vector<double> solve_densely(std::vector<std::vector<double>> a) {
  const size_t d = a.size();
  for (size_t k = 0; k < d; ++k) {
    size_t pivot = k;
    for (size_t i = k; i < d; ++i) {
      if (std::fabs(a[i][k]) > std::fabs(a[pivot][k])) pivot = i;
    }
    std::swap(a[k], a[pivot]);
    for (size_t i = 0; i < d; ++i) {
      if (i == k) continue;
      const double factor = a[i][k] / a[k][k];
      for (size_t j = k; j <= d; ++j) a[i][j] -= factor * a[k][j];
    }
  }
  std::vector<double> x(d);
  for (size_t k = 0; k < d; ++k) x[k] = a[k][d] / a[k][k];
  return x;
}

using Table = std::vector<std::vector<double>>;

// All pairs, weight 1 + alpha0 on entries and target 1, alpha0 and target 0 elsewhere.
inline void dense_half_epoch(const std::vector<std::vector<bool>>& has, const Table& other,
                             const IalsOptions& options, Table* table) {
  const size_t d = other[0].size();
  for (size_t r = 0; r < table->size(); ++r) {
    std::vector<std::vector<double>> a(d, std::vector<double>(d + 1));
    double degree = 0;
    for (size_t c = 0; c < other.size(); ++c) {
      const double weight = options.unobserved_weight + (has[r][c] ? 1 : 0);
      degree += has[r][c] ? 1 : 0;
      for (size_t i = 0; i < d; ++i) {
        for (size_t j = 0; j < d; ++j) a[i][j] += weight * other[c][i] * other[c][j];
        if (has[r][c]) a[i][d] += other[c][i];
      }
    }
    const double lambda =
        options.regularization *
        std::pow(degree + options.unobserved_weight * static_cast<double>(other.size()),
                 options.frequency_power);
    for (size_t i = 0; i < d; ++i) a[i][i] += lambda;
    (*table)[r] = solve_densely(a);
  }
}

// has[playlist][track]
inline std::vector<std::vector<bool>> dense_entries(const Lists& lists, int num_tracks) {
  std::vector<std::vector<bool>> has(lists.size(), std::vector<bool>(num_tracks));
  for (size_t p = 0; p < lists.size(); ++p) {
    for (int32_t t : lists[p]) has[p][t] = true;
  }
  return has;
}

inline std::vector<std::vector<bool>> transposed(const std::vector<std::vector<bool>>& has) {
  std::vector<std::vector<bool>> result(has[0].size(), std::vector<bool>(has.size()));
  for (size_t i = 0; i < has.size(); ++i) {
    for (size_t j = 0; j < has[i].size(); ++j) result[j][i] = has[i][j];
  }
  return result;
}

inline double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace tutti::ids
