#include "ids/nearest_code.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ids/vector_ops.h"
#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

constexpr int64_t kCodeTile = 256;  // scores of a block and a tile: 512 KiB
constexpr int kLanes = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Best {
  float score = kInfinity, second = kInfinity;
  int32_t code = 0;
};

// Best and second of norms[k] - 2 * products[k], k < n, n in whole lanes. Which of two equal scores
// is "best" does not matter: they are decided again.
TUTTI_VECTORIZED
void scan_scores(const float* products, const float* norms, int64_t n, int32_t first_code,
                 Best* best) {
  float lowest[kLanes], second[kLanes];
  int32_t at[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    lowest[l] = kInfinity;
    second[l] = kInfinity;
    at[l] = 0;
  }
  for (int32_t k = 0; k < n; k += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float score = norms[k + l] - 2 * products[k + l];
      const float loser = score < lowest[l] ? lowest[l] : score;
      second[l] = loser < second[l] ? loser : second[l];
      at[l] = score < lowest[l] ? k : at[l];
      lowest[l] = score < lowest[l] ? score : lowest[l];
    }
  }
  for (int l = 0; l < kLanes; ++l) {
    if (lowest[l] < best->score) {
      best->second = std::min(best->score, second[l]);
      best->score = lowest[l];
      best->code = first_code + at[l] + l;
    } else {
      best->second = std::min(best->second, lowest[l]);
    }
  }
}

}  // namespace

NearestCode::NearestCode(const Codebook& codebook)
    : codebook_(&codebook),
      padded_codes_((codebook.num_codes + kLanes - 1) / kLanes * kLanes),
      vectors_(padded_codes_ * codebook.dim),
      norms_(padded_codes_) {
  std::copy(codebook.values.begin(), codebook.values.end(), vectors_.data());
  std::fill(norms_.data(), norms_.data() + padded_codes_, kInfinity);
  for (int64_t k = 0; k < codebook.num_codes; ++k) {
    const double norm = squared_norm(codebook.row(k).data(), codebook.dim);
    norms_[k] = static_cast<float>(norm);
    largest_norm_ = std::max(largest_norm_, std::sqrt(norm));
  }
}

void NearestCode::find(const AlignedFloats& block, const RowBlock& part, Scratch& scratch,
                       int32_t* codes, double* distances) const {
  const int64_t dim = codebook_->dim;
  Best best[kRowBlock];
  scratch.scores.reserve(kRowBlock * kCodeTile);
  for (int64_t first = 0; first < padded_codes_; first += kCodeTile) {
    const int64_t n = std::min(kCodeTile, padded_codes_ - first);
    multiply_by_transpose(block.data(), kRowBlock, vectors_.data() + first * dim, n, dim,
                          scratch.scores.data());
    for (int64_t i = 0; i < part.count; ++i) {
      scan_scores(scratch.scores.data() + (part.offset + i) * n, norms_.data() + first, n,
                  static_cast<int32_t>(first), &best[i]);
    }
  }
  for (int64_t i = 0; i < part.count; ++i) {
    const float* x = block.data() + (part.offset + i) * dim;
    const double norm = std::sqrt(squared_norm(x, dim));
    // A score errs by at most about 2^-24 (2 (D + 1) |x| |c| + 2 |c|^2) (rounding of the product in
    // any order, of |c|^2 and of the difference); two scores, and a factor of two for safety.
    const double doubt = std::ldexp(
        (2 * (static_cast<double>(dim) + 2) * norm + 2 * largest_norm_) * largest_norm_, -22);
    codes[i] = best[i].code;
    if (best[i].second - best[i].score > doubt) {
      distances[i] = squared_distance(x, codebook_->row(codes[i]).data(), dim);
      continue;
    }
    ++scratch.rows_decided_again;
    distances[i] = std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < codebook_->num_codes; ++k) {
      const double distance = squared_distance(x, codebook_->row(k).data(), dim);
      if (distance < distances[i]) {
        distances[i] = distance;
        codes[i] = static_cast<int32_t>(k);
      }
    }
  }
}

}  // namespace tutti::ids
