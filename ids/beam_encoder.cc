#include "ids/beam_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dist/runtime/errors.h"
#include "ids/panel_kernel.h"
#include "ids/vector_ops.h"
#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // their products with a level of 1024 codes: 264 KiB
constexpr int64_t kTileBytes = int64_t{256} << 10;  // of codes, while all these rows pass by
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// rest[k] = norms[k] - 2 products[k]
TUTTI_VECTORIZED
void start_scores(const float* norms, const float* products, int64_t n, float* rest) {
  for (int64_t k = 0; k < n; ++k) rest[k] = norms[k] - 2 * products[k];
}

TUTTI_VECTORIZED
void add_rows(const float* a, const float* b, int64_t n, float* out) {
  for (int64_t k = 0; k < n; ++k) out[k] = a[k] + b[k];
}

// scores[k] = base + rest[k] + a[k] + b[k]; minima[k % kPanelRows] keeps the lowest. n in whole
// panels.
TUTTI_VECTORIZED
void score_path(float base, const float* rest, const float* a, const float* b, int64_t n,
                float* scores, float* minima) {
  float lowest[kPanelRows];
  for (int64_t i = 0; i < kPanelRows; ++i) lowest[i] = minima[i];
  for (int64_t k = 0; k < n; k += kPanelRows) {
    for (int64_t i = 0; i < kPanelRows; ++i) {
      const float score = base + rest[k + i] + a[k + i] + b[k + i];
      scores[k + i] = score;
      lowest[i] = score < lowest[i] ? score : lowest[i];
    }
  }
  for (int64_t i = 0; i < kPanelRows; ++i) minima[i] = lowest[i];
}

// Adds the finite scores <= threshold to `candidates`, in order of k. n in whole panels.
TUTTI_VECTORIZED
void collect(const float* scores, int64_t n, float threshold, int32_t parent,
             std::vector<BeamEncoder::Scratch::Candidate>* candidates) {
  for (int64_t k = 0; k < n; k += kPanelRows) {
    int any = 0;
    for (int64_t i = 0; i < kPanelRows; ++i) any |= scores[k + i] <= threshold ? 1 : 0;
    if (any == 0) continue;
    for (int64_t i = 0; i < kPanelRows; ++i) {
      if (scores[k + i] <= threshold && scores[k + i] < kInfinity) {
        candidates->push_back({scores[k + i], parent, static_cast<int32_t>(k + i)});
      }
    }
  }
}

bool is_lower(const int32_t* a, const int32_t* b, int64_t num_levels) {
  return std::lexicographical_compare(a, a + num_levels, b, b + num_levels);
}

}  // namespace

void BeamEncoder::check_beam(int beam) {
  if (beam < 1 || beam > kMaxBeam) {
    throw UsageError({"", "--beam", std::to_string(beam), "1 to " + std::to_string(kMaxBeam), ""});
  }
}

BeamEncoder::BeamEncoder(const Codebooks& codebooks, int beam)
    : codebooks_(&codebooks), beam_(beam) {
  check_beam(beam);
  const int64_t dim = codebooks.dim();
  AlignedFloats group(kGroupRows * dim);
  for (const auto& codebook : codebooks.levels) {
    Level level;
    double longest = 0, dearest = 0;  // of its codes, squared; of their prices
    level.num_columns = (codebook.num_codes + kPanelRows - 1) / kPanelRows * kPanelRows;
    max_columns_ = std::max(max_columns_, level.num_columns);
    level.panels.reserve(level.num_columns * dim);
    level.norms.reserve(level.num_columns);
    std::fill_n(level.norms.data(), level.num_columns, kInfinity);
    for (int64_t k = 0; k < codebook.num_codes; ++k) {
      const double norm = squared_norm(codebook.row(k).data(), dim);
      level.norms[k] = static_cast<float>(norm + codebook.price(k));
      longest = std::max(longest, norm);
      dearest = std::max(dearest, static_cast<double>(codebook.price(k)));
    }
    for (int64_t k = 0; k < codebook.num_codes; k += kPanelRows) {
      pack_panel(codebook.row(k).data(), std::min(kPanelRows, codebook.num_codes - k), dim,
                 level.panels.data() + k * dim);
    }
    for (size_t m = 0; m < levels_.size(); ++m) {
      const auto& earlier = codebooks.levels[m];
      const int64_t num_groups = (earlier.num_codes + kGroupRows - 1) / kGroupRows;
      AlignedFloats gram(num_groups * kGroupRows * level.num_columns);
      for (int64_t g = 0; g < num_groups; ++g) {
        const int64_t first = g * kGroupRows;
        pack_group(earlier.row(first).data(), std::min(kGroupRows, earlier.num_codes - first), dim,
                   group.data());
        multiply_panels(group.data(), level.panels.data(), level.num_columns / kPanelRows, dim,
                        gram.data() + first * level.num_columns, level.num_columns);
      }
      for (int64_t i = 0; i < gram.size(); ++i) gram[i] *= 2;
      level.grams.push_back(std::move(gram));
    }
    codes_length_ += std::sqrt(longest);
    codes_price_ += dearest;
    levels_.push_back(std::move(level));
  }
  zeros_.reserve(max_columns_);
}

void BeamEncoder::multiply(const Level& level, int64_t num_groups, Scratch& scratch) const {
  const int64_t dim = codebooks_->dim(), num_panels = level.num_columns / kPanelRows;
  const int64_t tile =
      std::max<int64_t>(1, kTileBytes / (kPanelRows * dim * static_cast<int64_t>(sizeof(float))));
  for (int64_t first = 0; first < num_panels; first += tile) {
    for (int64_t g = 0; g < num_groups; ++g) {
      multiply_panels(
          scratch.groups.data() + g * kGroupRows * dim,
          level.panels.data() + first * kPanelRows * dim, std::min(tile, num_panels - first), dim,
          scratch.products.data() + g * kGroupRows * level.num_columns + first * kPanelRows,
          level.num_columns);
    }
  }
}

int BeamEncoder::search(const float* rows, int64_t count, Scratch& scratch) const {
  const int64_t dim = codebooks_->dim(), num_levels = codebooks_->num_levels();
  const int64_t row_paths = beam_ * num_levels;
  scratch.groups.reserve(kRowsAtOnce * dim);
  scratch.products.reserve(kRowsAtOnce * max_columns_);
  scratch.rest.reserve(2 * max_columns_);
  scratch.scores.reserve(beam_ * max_columns_);
  scratch.minima.resize(kPanelRows);
  scratch.paths.resize(kRowsAtOnce * row_paths);
  scratch.next_paths.resize(row_paths);
  scratch.path_scores.assign(kRowsAtOnce * beam_, 0);
  scratch.terms.resize(num_levels);
  const int64_t num_groups = (count + kGroupRows - 1) / kGroupRows;
  for (int64_t g = 0; g < num_groups; ++g) {
    const int64_t first = g * kGroupRows;
    pack_group(rows + first * dim, std::min(kGroupRows, count - first), dim,
               scratch.groups.data() + first * dim);
  }
  int num_paths = 1;  // the empty one
  for (int64_t l = 0; l < num_levels; ++l) {
    multiply(levels_[l], num_groups, scratch);
    int kept = 0;
    for (int64_t i = 0; i < count; ++i) {
      kept = extend_paths(l, scratch.products.data() + i * levels_[l].num_columns, num_paths,
                          &scratch.path_scores[i * beam_], &scratch.paths[i * row_paths], scratch);
    }
    num_paths = kept;
  }
  return num_paths;
}

void BeamEncoder::encode(const float* rows, int64_t count, Scratch& scratch, int32_t* codes) const {
  const int64_t dim = codebooks_->dim(), num_levels = codebooks_->num_levels();
  for (int64_t first = 0; first < count; first += kRowsAtOnce) {
    const int64_t n = std::min(kRowsAtOnce, count - first);
    const int num_paths = search(rows + first * dim, n, scratch);
    for (int64_t i = 0; i < n; ++i) {
      const float* x = rows + (first + i) * dim;
      const int32_t* paths = &scratch.paths[i * beam_ * num_levels];
      // In fp32 the first path is best; those that may be better still are compared in fp64.
      const float* scores = &scratch.path_scores[i * beam_];
      const double length = std::sqrt(squared_norm(x, dim)) + codes_length_;
      const double doubt =
          std::ldexp(static_cast<double>(dim + 8), -23) * (length * length + codes_price_);
      int num_close = 1;
      while (num_close < num_paths && scores[num_close] - static_cast<double>(scores[0]) <= doubt) {
        ++num_close;
      }
      const int32_t* winner = paths;
      double lowest = num_close > 1 ? distance(x, winner, scratch) : 0;
      for (int p = 1; p < num_close; ++p) {
        const int32_t* path = paths + p * num_levels;
        const double d = distance(x, path, scratch);
        if (d < lowest || (d == lowest && is_lower(path, winner, num_levels))) {
          lowest = d;
          winner = path;
        }
      }
      std::copy_n(winner, num_levels, codes + (first + i) * num_levels);
    }
  }
}

void BeamEncoder::encode_choices(const float* rows, int64_t count, Scratch& scratch, int32_t* paths,
                                 double* distances, int32_t* num_paths) const {
  const int64_t dim = codebooks_->dim(), num_levels = codebooks_->num_levels();
  for (int64_t first = 0; first < count; first += kRowsAtOnce) {
    const int64_t end = std::min(first + kRowsAtOnce, count);
    const int n = search(rows + first * dim, end - first, scratch);
    for (int64_t row = first; row < end; ++row) {
      const int32_t* found_paths = &scratch.paths[(row - first) * beam_ * num_levels];
      double found[kMaxBeam];
      int order[kMaxBeam];
      for (int p = 0; p < n; ++p) {
        found[p] = distance(rows + row * dim, found_paths + p * num_levels, scratch);
        order[p] = p;
      }
      std::sort(order, order + n, [&](int a, int b) {
        if (found[a] != found[b]) return found[a] < found[b];
        return is_lower(found_paths + a * num_levels, found_paths + b * num_levels, num_levels);
      });
      for (int p = 0; p < n; ++p) {
        distances[row * beam_ + p] = found[order[p]];
        std::copy_n(found_paths + order[p] * num_levels, num_levels,
                    paths + (row * beam_ + p) * num_levels);
      }
      num_paths[row] = n;
    }
  }
}

// Extends a row's paths by a code of level `l`; returns how many are kept, best first.
int BeamEncoder::extend_paths(int64_t l, const float* products, int num_paths, float* path_scores,
                              int32_t* paths, Scratch& scratch) const {
  const auto& level = levels_[l];
  const int64_t n = level.num_columns, num_levels = codebooks_->num_levels();
  start_scores(level.norms.data(), products, n, scratch.rest.data());
  std::fill(scratch.minima.begin(), scratch.minima.end(), kInfinity);
  for (int p = 0; p < num_paths; ++p) {
    const int32_t* path = paths + p * num_levels;
    const auto gram = [&](int64_t m) {
      return m < l ? level.grams[m].data() + path[m] * n : zeros_.data();
    };
    const float* rest = scratch.rest.data();
    for (int64_t m = 2; m < l; m += 2) {
      float* sum = scratch.rest.data() + max_columns_;
      add_rows(rest, gram(m), n, sum);
      if (m + 1 < l) add_rows(sum, gram(m + 1), n, sum);
      rest = sum;
    }
    score_path(path_scores[p], rest, gram(0), gram(1), n, scratch.scores.data() + p * n,
               scratch.minima.data());
  }

  // The beam-th lowest of the lane minima bounds the beam-th lowest score: few scores pass it.
  // A third of the lanes is enough for a narrow beam, and sorted sooner.
  float threshold = kInfinity;
  auto& minima = scratch.minima;
  if (beam_ <= kPanelRows) {
    auto end = minima.end();
    if (constexpr int64_t kThird = kPanelRows / 3; beam_ <= kThird) {
      for (int64_t i = 0; i < kThird; ++i) {
        minima[i] = std::min({minima[i], minima[i + kThird], minima[i + 2 * kThird]});
      }
      end = minima.begin() + kThird;
    }
    std::nth_element(minima.begin(), minima.begin() + (beam_ - 1), end);
    threshold = minima[beam_ - 1];
  }
  auto& candidates = scratch.candidates;
  candidates.clear();
  for (int p = 0; p < num_paths; ++p) {
    collect(scratch.scores.data() + p * n, n, threshold, p, &candidates);
  }
  const auto kept = std::min<int64_t>(beam_, std::ssize(candidates));
  std::partial_sort(candidates.begin(), candidates.begin() + kept, candidates.end(),
                    [](const auto& a, const auto& b) {
                      if (a.score != b.score) return a.score < b.score;
                      return a.parent != b.parent ? a.parent < b.parent : a.code < b.code;
                    });
  for (int64_t p = 0; p < kept; ++p) {
    std::copy_n(paths + candidates[p].parent * num_levels, l, &scratch.next_paths[p * num_levels]);
    scratch.next_paths[p * num_levels + l] = candidates[p].code;
    path_scores[p] = candidates[p].score;
  }
  TUTTI_CHECK(kept > 0, "scores within the range of fp32");
  std::copy_n(scratch.next_paths.data(), kept * num_levels, paths);
  return static_cast<int>(kept);
}

double BeamEncoder::distance(const float* x, const int32_t* path, Scratch& scratch) const {
  double price = 0;
  for (size_t l = 0; l < levels_.size(); ++l) {
    scratch.terms[l] = codebooks_->levels[l].row(path[l]).data();
    price += codebooks_->levels[l].price(path[l]);
  }
  return squared_distance(x, scratch.terms, codebooks_->dim()) + price;
}

}  // namespace tutti::ids
