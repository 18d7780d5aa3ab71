#include "ids/nearest_code.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dist/runtime/errors.h"
#include "ids/panel_kernel.h"
#include "ids/row_blocks.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int64_t kTileBytes = int64_t{256} << 10;  // of codes; a block's panels take as much
constexpr int64_t kMaxPanels = (kRowBlock + kPanelRows - 1) / kPanelRows;

}  // namespace

NearestCode::NearestCode(const Codebook& codebook)
    : codebook_(&codebook),
      num_groups_((codebook.num_codes + kGroupRows - 1) / kGroupRows),
      tile_groups_(std::max<int64_t>(
          1, kTileBytes / (kGroupRows * codebook.dim * static_cast<int64_t>(sizeof(float))))),
      groups_(num_groups_ * kGroupRows * codebook.dim),
      bias_(num_groups_ * kGroupRows) {
  const int64_t dim = codebook.dim;
  std::fill_n(bias_.data(), bias_.size(), -std::numeric_limits<float>::infinity());
  for (int64_t first = 0; first < codebook.num_codes; first += kGroupRows) {
    pack_group(codebook.row(first).data(), std::min(kGroupRows, codebook.num_codes - first), dim,
               groups_.data() + first * dim);
  }
  for (int64_t k = 0; k < codebook.num_codes; ++k) {
    const double norm = squared_norm(codebook.row(k).data(), dim);
    const double price = codebook.price(k);
    bias_[k] = static_cast<float>(-(norm + price) / 2);
    largest_price_ = std::max(largest_price_, price);
    largest_norm_ = std::max(largest_norm_, std::sqrt(norm));
  }
}

void NearestCode::find(const float* rows, int64_t count, Scratch& scratch, int32_t* codes) const {
  TUTTI_CHECK(count <= kRowBlock);
  const int64_t dim = codebook_->dim;
  const int64_t num_panels = (count + kPanelRows - 1) / kPanelRows;
  const auto rows_in = [&](int64_t p) { return std::min(kPanelRows, count - p * kPanelRows); };
  scratch.panels.reserve(kMaxPanels * kPanelRows * dim);
  float* panels = scratch.panels.data();
  Leaders leaders[kMaxPanels];
  for (int64_t p = 0; p < num_panels; ++p) {
    pack_panel(rows + p * kPanelRows * dim, rows_in(p), dim, panels + p * kPanelRows * dim);
    leaders[p].clear();
  }
  for (int64_t first = 0; first < num_groups_; first += tile_groups_) {
    const int64_t num_groups = std::min(tile_groups_, num_groups_ - first);
    for (int64_t p = 0; p < num_panels; ++p) {
      scan_codes(panels + p * kPanelRows * dim, rows_in(p), dim,
                 groups_.data() + first * kGroupRows * dim, bias_.data() + first * kGroupRows,
                 num_groups, static_cast<int32_t>(first * kGroupRows), &leaders[p]);
    }
  }

  for (int64_t p = 0; p < num_panels; ++p) {
    float norms[kPanelRows];
    panel_squared_norms(panels + p * kPanelRows * dim, dim, norms);
    for (int64_t i = 0; i < rows_in(p); ++i) {
      const int64_t row = p * kPanelRows + i;
      const double best = leaders[p].best[i], second = leaders[p].second[i];
      const double doubt = doubt_of(norms[i], best);
      // Not so for NaN, which sums beyond fp32 leave.
      codes[row] = best - second > doubt ? leaders[p].code[i]
                                         : decide(rows + row * dim, best - doubt, scratch);
    }
  }
}

double NearestCode::doubt_of(double squared_norm, double best) const {
  // A score is a chain of D products and sums that starts at the bias. No partial sum exceeds
  // |x| |c| + (|c|^2 + price) / 2, so it errs by at most (D + 2) 2^-24 of that, with the roundings
  // of the products (no FMA) and of the bias; two scores; 1 % for the norm in fp32; the last term
  // is what underflow adds.
  const auto terms = static_cast<double>(codebook_->dim + 2);
  const double length = std::sqrt(squared_norm);
  const auto bound = [&](double code_norm) {
    return std::ldexp(1.01 * terms, -23) *
               (code_norm * (length + code_norm / 2) + largest_price_ / 2) +
           std::ldexp(terms, -147);
  };
  const double widest = bound(largest_norm_);
  // A code longer than |x| + |x - best| is farther than the best one: it is in no doubt.
  const double distance = std::sqrt(std::max(0.0, squared_norm - 2 * best) + widest);
  const double longest = 1.01 * (length + distance);
  return longest < largest_norm_ ? bound(longest) : widest;
}

int32_t NearestCode::decide(const float* x, double least_score, Scratch& scratch) const {
  ++scratch.rows_decided_again;
  scratch.scores.reserve(codebook_->num_codes);
  rows_times_vector(codebook_->values.data(), codebook_->num_codes, codebook_->dim, x,
                    scratch.scores.data());
  double lowest = std::numeric_limits<double>::infinity();
  int64_t nearest = 0;
  for (int64_t k = 0; k < codebook_->num_codes; ++k) {
    if (static_cast<double>(scratch.scores[k]) + bias_[k] < least_score) continue;
    const double distance =
        squared_distance(x, codebook_->row(k).data(), codebook_->dim) + codebook_->price(k);
    if (distance < lowest) {
      lowest = distance;
      nearest = k;
    }
  }
  return static_cast<int32_t>(nearest);
}

}  // namespace tutti::ids
