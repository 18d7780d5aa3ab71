#include "ids/matching_pursuit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dist/runtime/errors.h"
#include "ids/panel_kernel.h"
#include "ids/residual_rows.h"
#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

constexpr double kLeastPivot = 1e-6;  // of an atom's squared length, outside the span of others

double dot(const float* a, const float* b, int64_t dim) {
  double sum = 0;
  for (int64_t j = 0; j < dim; ++j) sum += static_cast<double>(a[j]) * b[j];
  return sum;
}

// left[k] -= weight * gram[k]
TUTTI_VECTORIZED
void take_off(const float* gram, float weight, int64_t n, float* left) {
  for (int64_t k = 0; k < n; ++k) left[k] -= weight * gram[k];
}

// The atom that is leant on most, of those that are not taken; the lowest of equals.
int32_t heaviest(const std::vector<float>& left, int64_t num_atoms,
                 const std::vector<int32_t>& taken) {
  int32_t best = -1;
  float most = -1;
  for (int32_t m = 0; m < num_atoms; ++m) {
    const float score = std::abs(left[m]);
    if (score > most && std::ranges::find(taken, m) == taken.end()) {
      most = score;
      best = m;
    }
  }
  return best;
}

}  // namespace

MatchingPursuit::MatchingPursuit(const Codebook& atoms, int64_t num_taken)
    : atoms_(atoms), num_taken_(num_taken) {
  const int64_t dim = atoms.dim, num_atoms = atoms.num_codes;
  TUTTI_CHECK(num_taken >= 1 && num_taken <= num_atoms, "as many atoms as are taken");
  num_columns_ = (num_atoms + kPanelRows - 1) / kPanelRows * kPanelRows;
  panels_.reserve(num_columns_ * dim);
  for (int64_t k = 0; k < num_atoms; k += kPanelRows) {
    pack_panel(atoms.row(k).data(), std::min(kPanelRows, num_atoms - k), dim,
               panels_.data() + k * dim);
  }
  const int64_t num_groups = (num_atoms + kGroupRows - 1) / kGroupRows;
  gram_.reserve(num_groups * kGroupRows * num_columns_);
  AlignedFloats group(kGroupRows * dim);
  for (int64_t first = 0; first < num_atoms; first += kGroupRows) {
    pack_group(atoms.row(first).data(), std::min(kGroupRows, num_atoms - first), dim, group.data());
    multiply_panels(group.data(), panels_.data(), num_columns_ / kPanelRows, dim,
                    gram_.data() + first * num_columns_, num_columns_);
  }
}

void MatchingPursuit::encode(const float* rows, int64_t count, Scratch& scratch, int32_t* atoms,
                             float* weights) const {
  const int64_t dim = atoms_.dim;
  scratch.group.reserve(kGroupRows * dim);
  scratch.products.reserve(kGroupRows * num_columns_);
  scratch.factor.resize(num_taken_ * num_taken_);
  scratch.sides.resize(num_taken_);
  scratch.solution.resize(num_taken_);
  for (int64_t first = 0; first < count; first += kGroupRows) {
    const int64_t n = std::min(kGroupRows, count - first);
    pack_group(rows + first * dim, n, dim, scratch.group.data());
    multiply_panels(scratch.group.data(), panels_.data(), num_columns_ / kPanelRows, dim,
                    scratch.products.data(), num_columns_);
    for (int64_t i = 0; i < n; ++i) {
      encode_row(rows + (first + i) * dim, scratch.products.data() + i * num_columns_, scratch,
                 atoms + (first + i) * num_taken_, weights + (first + i) * num_taken_);
    }
  }
}

void MatchingPursuit::encode_row(const float* row, const float* products, Scratch& scratch,
                                 int32_t* atoms, float* weights) const {
  auto& [group, unused, left, factor, sides, solution, taken, fitted] = scratch;
  taken.clear();
  fitted.clear();
  for (int64_t step = 0; step < num_taken_; ++step) {
    left.assign(products, products + num_columns_);
    for (size_t j = 0; j < fitted.size(); ++j) {
      take_off(gram_.data() + fitted[j] * num_columns_, static_cast<float>(solution[j]),
               num_columns_, left.data());
    }
    const int32_t atom = heaviest(left, atoms_.num_codes, taken);
    taken.push_back(atom);
    fit_with(atom, row, scratch);
  }
  std::vector<std::pair<float, int32_t>> order;
  for (const int32_t atom : taken) {
    const auto at = std::ranges::find(fitted, atom);
    const double weight = at == fitted.end() ? 0 : solution[at - fitted.begin()];
    order.emplace_back(static_cast<float>(weight), atom);
  }
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    const float heavy = std::abs(a.first), other = std::abs(b.first);
    return heavy != other ? heavy > other : a.second < b.second;
  });
  for (int64_t j = 0; j < num_taken_; ++j) {
    weights[j] = order[j].first;
    atoms[j] = order[j].second;
  }
}

bool MatchingPursuit::fit_with(int32_t atom, const float* row, Scratch& scratch) const {
  auto& [group, products, left, factor, sides, solution, taken, fitted] = scratch;
  const int64_t dim = atoms_.dim, n = std::ssize(fitted);
  const float* added = atoms_.row(atom).data();
  // A further row of the Cholesky factor of the atoms' Gram matrix.
  double* below = &factor[n * num_taken_];
  double pivot = dot(added, added, dim);
  for (int64_t j = 0; j < n; ++j) {
    double value = dot(added, atoms_.row(fitted[j]).data(), dim);
    for (int64_t k = 0; k < j; ++k) value -= below[k] * factor[j * num_taken_ + k];
    below[j] = value / factor[j * num_taken_ + j];
    pivot -= below[j] * below[j];
  }
  if (pivot < kLeastPivot) return false;
  below[n] = std::sqrt(pivot);
  double side = dot(added, row, dim);
  for (int64_t k = 0; k < n; ++k) side -= below[k] * sides[k];
  sides[n] = side / below[n];
  fitted.push_back(atom);
  for (int64_t j = n; j >= 0; --j) {
    double value = sides[j];
    for (int64_t k = j + 1; k <= n; ++k) value -= factor[k * num_taken_ + j] * solution[k];
    solution[j] = value / factor[j * num_taken_ + j];
  }
  return true;
}

SparseCodes pursue(RowSource& vectors, const Codebook& atoms, int64_t num_taken, ThreadPool& pool) {
  const MatchingPursuit pursuit(atoms, num_taken);
  std::vector<MatchingPursuit::Scratch> threads(pool.num_threads());
  SparseCodes codes;
  codes.atoms.resize(vectors.count() * num_taken);
  codes.weights.resize(vectors.count() * num_taken);
  vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    pursuit.encode(values, part.count, threads[t], &codes.atoms[part.local * num_taken],
                   &codes.weights[part.local * num_taken]);
  });
  return codes;
}

std::vector<int32_t> encode_by_atoms(RowSource& rows, const Codebooks& codebooks,
                                     ThreadPool& pool) {
  ResidualRows vectors(rows, codebooks.norm, codebooks.mean);
  SparseCodes found = pursue(vectors, codebooks.atoms, codebooks.num_levels(), pool);
  std::vector<int32_t> codes = std::move(found.atoms);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = code_of_atom(codes[i], found.weights[i]);
  return codes;
}

}  // namespace tutti::ids
