#include "ids/beam_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dist/runtime/errors.h"
#include "ids/vector_ops.h"
#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

constexpr int kLanes = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Candidate {
  float score;
  int32_t parent, code;
};

// The best `capacity` candidates seen, best first; of equal scores the one seen first.
struct Best {
  Candidate kept[kMaxBeam];
  int size = 0, capacity = 0;

  float worst() const { return size < capacity ? kInfinity : kept[size - 1].score; }
  void insert(const Candidate& candidate) {
    if (size < capacity) ++size;
    int at = size - 1;
    for (; at > 0 && kept[at - 1].score > candidate.score; --at) kept[at] = kept[at - 1];
    kept[at] = candidate;
  }
};

// scores[k] = base + norms[k] - 2 products[k]
TUTTI_VECTORIZED
void start_scores(const float* norms, const float* products, float base, int64_t n, float* scores) {
  for (int64_t k = 0; k < n; ++k) scores[k] = base + norms[k] - 2 * products[k];
}

TUTTI_VECTORIZED
void add_to_scores(const float* twice_gram, int64_t n, float* scores) {
  for (int64_t k = 0; k < n; ++k) scores[k] += twice_gram[k];
}

// Inserts the scores [n], n in whole lanes, that are better than the worst kept.
TUTTI_VECTORIZED
void collect(const float* scores, int64_t n, int32_t parent, Best* best) {
  for (int64_t k = 0; k < n; k += kLanes) {
    const float worst = best->worst();
    int num_better = 0;
    for (int l = 0; l < kLanes; ++l) num_better += scores[k + l] < worst;
    if (num_better == 0) continue;
    for (int l = 0; l < kLanes; ++l) {
      if (scores[k + l] < best->worst()) {
        best->insert({scores[k + l], parent, static_cast<int32_t>(k) + l});
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
    : codebooks_(&codebooks), beam_(beam), first_column_{0} {
  check_beam(beam);
  const int64_t dim = codebooks.dim();
  for (const auto& level : codebooks.levels) {
    num_columns_ += (level.num_codes + kLanes - 1) / kLanes * kLanes;
    first_column_.push_back(num_columns_);
  }
  vectors_.reserve(num_columns_ * dim);
  norms_.reserve(num_columns_);
  std::fill(norms_.data(), norms_.data() + num_columns_, kInfinity);
  for (int64_t l = 0; l < codebooks.num_levels(); ++l) {
    const auto& level = codebooks.levels[l];
    std::copy(level.values.begin(), level.values.end(), vectors_.data() + first_column_[l] * dim);
    for (int64_t k = 0; k < level.num_codes; ++k) {
      norms_[first_column_[l] + k] = static_cast<float>(squared_norm(level.row(k).data(), dim));
    }
  }
  if (codebooks.num_levels() > 1) {
    twice_gram_.resize(num_columns_ * num_columns_);
    multiply_by_transpose(vectors_.data(), num_columns_, vectors_.data(), num_columns_, dim,
                          twice_gram_.data());
    for (float& product : twice_gram_) product *= 2;
  }
}

void BeamEncoder::multiply(const AlignedFloats& block, Scratch& scratch) const {
  scratch.products.reserve(kRowBlock * num_columns_);
  multiply_by_transpose(block.data(), kRowBlock, vectors_.data(), num_columns_, codebooks_->dim(),
                        scratch.products.data());
}

void BeamEncoder::encode(const AlignedFloats& block, const RowBlock& part, Scratch& scratch,
                         int32_t* codes) const {
  const int64_t dim = codebooks_->dim(), num_levels = codebooks_->num_levels();
  multiply(block, scratch);
  for (int64_t i = 0; i < part.count; ++i) {
    const int64_t place = part.offset + i;
    const float* x = block.data() + place * dim;
    const int num_paths = search(scratch.products.data() + place * num_columns_, scratch);
    const int32_t* winner = scratch.paths.data();
    double lowest = distance(x, winner);
    for (int p = 1; p < num_paths; ++p) {
      const int32_t* path = &scratch.paths[p * num_levels];
      const double d = distance(x, path);
      if (d < lowest || (d == lowest && is_lower(path, winner, num_levels))) {
        lowest = d;
        winner = path;
      }
    }
    std::copy_n(winner, num_levels, codes + i * num_levels);
  }
}

void BeamEncoder::encode_choices(const AlignedFloats& block, const RowBlock& part, Scratch& scratch,
                                 int32_t* paths, double* distances, int32_t* num_paths) const {
  const int64_t dim = codebooks_->dim(), num_levels = codebooks_->num_levels();
  multiply(block, scratch);
  for (int64_t i = 0; i < part.count; ++i) {
    const int64_t place = part.offset + i;
    const float* x = block.data() + place * dim;
    const int n = search(scratch.products.data() + place * num_columns_, scratch);
    double found[kMaxBeam];
    int order[kMaxBeam];
    for (int p = 0; p < n; ++p) {
      found[p] = distance(x, &scratch.paths[p * num_levels]);
      order[p] = p;
    }
    std::sort(order, order + n, [&](int a, int b) {
      if (found[a] != found[b]) return found[a] < found[b];
      return is_lower(&scratch.paths[a * num_levels], &scratch.paths[b * num_levels], num_levels);
    });
    for (int p = 0; p < n; ++p) {
      distances[i * beam_ + p] = found[order[p]];
      std::copy_n(&scratch.paths[order[p] * num_levels], num_levels,
                  paths + (i * beam_ + p) * num_levels);
    }
    num_paths[i] = n;
  }
}

int BeamEncoder::search(const float* products, Scratch& scratch) const {
  const int64_t num_levels = codebooks_->num_levels();
  scratch.scores.reserve(num_columns_);
  scratch.paths.assign(beam_ * num_levels, 0);
  scratch.next_paths.assign(beam_ * num_levels, 0);
  float path_scores[kMaxBeam] = {0};
  int num_paths = 1;  // the empty one
  for (int64_t l = 0; l < num_levels; ++l) {
    const int64_t first = first_column_[l], n = first_column_[l + 1] - first;
    Best best;
    best.capacity = beam_;
    for (int p = 0; p < num_paths; ++p) {
      float* scores = scratch.scores.data();
      start_scores(norms_.data() + first, products + first, path_scores[p], n, scores);
      for (int64_t m = 0; m < l; ++m) {
        const int64_t column = first_column_[m] + scratch.paths[p * num_levels + m];
        add_to_scores(&twice_gram_[column * num_columns_ + first], n, scores);
      }
      collect(scores, n, p, &best);
    }
    for (int p = 0; p < best.size; ++p) {
      const auto& kept = best.kept[p];
      std::copy_n(&scratch.paths[kept.parent * num_levels], l, &scratch.next_paths[p * num_levels]);
      scratch.next_paths[p * num_levels + l] = kept.code;
      path_scores[p] = kept.score;
    }
    num_paths = best.size;
    scratch.paths.swap(scratch.next_paths);
  }
  return num_paths;
}

double BeamEncoder::distance(const float* x, const int32_t* path) const {
  const int64_t dim = codebooks_->dim();
  double sum = 0;
  for (int64_t j = 0; j < dim; ++j) {
    double left = x[j];
    for (int64_t l = 0; l < codebooks_->num_levels(); ++l) {
      left -= codebooks_->levels[l].values[path[l] * dim + j];
    }
    sum += left * left;
  }
  return sum;
}

}  // namespace tutti::ids
