#include "ids/dictionary.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/fixed_point.h"
#include "ids/joint_refit.h"
#include "ids/kmeans.h"
#include "ids/matching_pursuit.h"
#include "ids/quantizer_rows.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int kStartSteps = 5;  // of k-means

void check_options(const DictionaryOptions& options) {
  if (options.num_atoms < options.num_levels) {
    throw UsageError({"", "--num-codes", fmt::format("{}", 2 * options.num_atoms),
                      fmt::format("at least {}: two codes for each atom, as many atoms as levels",
                                  2 * options.num_levels),
                      ""});
  }
  if (options.sample_rows < 0 ||
      (options.sample_rows > 0 && options.sample_rows < options.num_atoms)) {
    throw UsageError(
        {"", "--sample", fmt::format("{}", options.sample_rows),
         fmt::format("at least one row an atom, {}, or 0 for all rows", options.num_atoms), ""});
  }
}

class Learner {
 public:
  Learner(RowSource& vectors, const DictionaryOptions& options, Communicator& comm,
          ThreadPool& pool)
      : vectors_(vectors), options_(options), comm_(comm), pool_(pool), dim_(vectors.dim()) {
    // Rows and weights as they are; a row's error is no larger than its energy.
    largest_ = max_abs_of_finite(vectors, comm, pool);
  }

  Codebook start() {
    KMeansOptions kmeans;
    kmeans.num_codes = options_.num_atoms;
    kmeans.max_steps = kStartSteps;
    kmeans.seed = options_.seed;
    Codebook atoms = train_kmeans(vectors_, kmeans, comm_, pool_);
    std::vector<int64_t> without_length;
    for (int64_t m = 0; m < options_.num_atoms; ++m) {
      if (!to_unit(&atoms.values[m * dim_])) without_length.push_back(m);
    }
    put_on_rows(without_length, 0, &atoms);
    return atoms;
  }

  // Codes all rows and says how well they stand for them.
  DictionaryStep code(const Codebook& atoms) {
    codes_ = pursue(vectors_, atoms, options_.num_levels, pool_);
    const double bound = largest_ * largest_ * static_cast<double>(dim_);
    const double scale = fixed_point_scale(vectors_.total(), 4 * bound);
    std::vector<std::vector<int64_t>> threads(pool_.num_threads(), std::vector<int64_t>(2));
    vectors_.for_each_block(pool_, [&](const float* values, const RowBlock& part, int t) {
      std::vector<double> left(dim_);
      for (int64_t i = 0; i < part.count; ++i) {
        const float* x = values + i * dim_;
        for (int64_t j = 0; j < dim_; ++j) left[j] = x[j];
        for_atoms_of(part.local + i, [&](int32_t atom, float weight) {
          const float* d = &atoms.values[atom * dim_];
          for (int64_t j = 0; j < dim_; ++j) left[j] -= static_cast<double>(weight) * d[j];
        });
        double error = 0;
        for (const double value : left) error += value * value;
        threads[t][0] += to_fixed_point(squared_norm(x, dim_), scale);
        threads[t][1] += to_fixed_point(std::min(error, 4 * bound), scale);
      }
    });
    const auto totals = total_of(threads, comm_);
    DictionaryStep step;
    step.objective = static_cast<double>(totals[1]) / scale;
    step.snr_db = to_decibel(totals[0], totals[1]);
    return step;
  }

  // Moves the atoms to where they stand best for the codes of code(); returns how many had no row.
  int64_t update(int64_t step, Codebook* atoms) {
    const int64_t num_atoms = options_.num_atoms;
    double heaviest = 0;
    for (const float w : codes_.weights) {
      heaviest = std::max(heaviest, static_cast<double>(std::abs(w)));
    }
    comm_.all_reduce(&heaviest, 1, DType::kFloat64, ReduceOp::kMax);
    const int64_t total = vectors_.total();
    const double pair_scale = fixed_point_scale(total, heaviest * heaviest),
                 row_scale = fixed_point_scale(total, heaviest * largest_);
    // A [M, M], then B [M, D].
    std::vector<std::vector<int64_t>> threads(pool_.num_threads(),
                                              std::vector<int64_t>(num_atoms * (num_atoms + dim_)));
    vectors_.for_each_block(pool_, [&](const float* values, const RowBlock& part, int t) {
      int64_t *pairs = threads[t].data(), *sums = pairs + num_atoms * num_atoms;
      std::vector<float> weighted(dim_);
      for (int64_t i = 0; i < part.count; ++i) {
        for_atoms_of(part.local + i, [&](int32_t atom, float weight) {
          for_atoms_of(part.local + i, [&](int32_t other, float other_weight) {
            pairs[atom * num_atoms + other] +=
                to_fixed_point(static_cast<double>(weight) * other_weight, pair_scale);
          });
          scale(values + i * dim_, dim_, weight, weighted.data());
          add_fixed_point(weighted.data(), dim_, row_scale, sums + atom * dim_);
        });
      }
    });
    const auto totals = total_of(threads, comm_);

    std::vector<int64_t> unused;
    std::vector<double> moved(dim_);
    for (int64_t m = 0; m < num_atoms; ++m) {
      const int64_t* pairs = &totals[m * num_atoms];
      const int64_t* sums = &totals[num_atoms * num_atoms + m * dim_];
      float* atom = &atoms->values[m * dim_];
      if (pairs[m] == 0) {
        unused.push_back(m);
        continue;
      }
      for (int64_t j = 0; j < dim_; ++j) moved[j] = static_cast<double>(sums[j]) / row_scale;
      for (int64_t k = 0; k < num_atoms; ++k) {
        if (pairs[k] == 0 || k == m) continue;
        const double together = static_cast<double>(pairs[k]) / pair_scale;
        const float* other = &atoms->values[k * dim_];
        for (int64_t j = 0; j < dim_; ++j) moved[j] -= together * other[j];
      }
      std::vector<float> candidate(moved.begin(), moved.end());
      if (to_unit(candidate.data())) std::ranges::copy(candidate, atom);
    }
    put_on_rows(unused, step + 1, atoms);
    return std::ssize(unused);
  }

  // What each code stands for: its atom times the mean of its weights, or of its level's where no
  // row has it.
  std::vector<Codebook> levels_of(const Codebook& atoms) {
    const int64_t num_levels = options_.num_levels, num_codes = 2 * options_.num_atoms;
    double heaviest = 0;
    for (const float w : codes_.weights) {
      heaviest = std::max(heaviest, static_cast<double>(std::abs(w)));
    }
    comm_.all_reduce(&heaviest, 1, DType::kFloat64, ReduceOp::kMax);
    const double scale = fixed_point_scale(vectors_.total(), heaviest);
    std::vector<std::vector<int64_t>> sums(1, std::vector<int64_t>(2 * num_levels * num_codes));
    for (int64_t i = 0; i < std::ssize(codes_.atoms); ++i) {
      const int32_t code = code_of_atom(codes_.atoms[i], codes_.weights[i]);
      const int64_t at = 2 * (i % num_levels * num_codes + code);
      sums[0][at] += to_fixed_point(std::abs(codes_.weights[i]), scale);
      ++sums[0][at + 1];
    }
    const auto totals = total_of(sums, comm_);
    std::vector<Codebook> levels;
    for (int64_t l = 0; l < num_levels; ++l) {
      const int64_t* of_level = &totals[2 * l * num_codes];
      double all = 0, rows = 0;
      for (int64_t c = 0; c < num_codes; ++c) {
        all += static_cast<double>(of_level[2 * c]) / scale;
        rows += static_cast<double>(of_level[2 * c + 1]);
      }
      Codebook level{num_codes, dim_, std::vector<float>(num_codes * dim_)};
      for (int64_t c = 0; c < num_codes; ++c) {
        const auto count = static_cast<double>(of_level[2 * c + 1]);
        const double weight =
            count > 0 ? static_cast<double>(of_level[2 * c]) / scale / count : all / rows;
        ids::scale(&atoms.values[c / 2 * dim_], dim_, c % 2 == 0 ? weight : -weight,
                   &level.values[c * dim_]);
      }
      levels.push_back(std::move(level));
    }
    return levels;
  }

  std::vector<int32_t> codes() const {
    std::vector<int32_t> codes = codes_.atoms;
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = code_of_atom(codes[i], codes_.weights[i]);
    return codes;
  }

 private:
  template <typename Visit>
  void for_atoms_of(int64_t row, const Visit& visit) const {
    for (int64_t l = 0; l < options_.num_levels; ++l) {
      const int64_t at = row * options_.num_levels + l;
      if (codes_.weights[at] != 0) visit(codes_.atoms[at], codes_.weights[at]);
    }
  }

  // At length 1; false, and as it was, when it has none.
  bool to_unit(float* vector) const {
    const double length = std::sqrt(squared_norm(vector, dim_));
    if (!(length > 0) || !std::isfinite(length)) return false;
    const std::vector<float> was(vector, vector + dim_);
    scale(was.data(), dim_, 1 / length, vector);
    return true;
  }

  // Rows drawn by the seed and `round` take the place of these atoms. A row of zeros becomes an
  // axis: it must be some direction.
  void put_on_rows(const std::vector<int64_t>& places, int64_t round, Codebook* atoms) {
    if (places.empty()) return;
    const Permutation drawn(vectors_.total(), options_.seed, Purpose::kKMeansSeed,
                            (uint64_t{1} << 32) + round);
    std::vector<int64_t> rows;
    const auto count = std::min<int64_t>(std::ssize(places), vectors_.total());
    for (int64_t i = 0; i < count; ++i) rows.push_back(static_cast<int64_t>(drawn(i)));
    std::ranges::sort(rows);
    const std::vector<float> values = gather_rows(vectors_, rows, comm_);
    for (int64_t i = 0; i < std::ssize(places); ++i) {
      float* atom = &atoms->values[places[i] * dim_];
      std::copy_n(&values[i % count * dim_], dim_, atom);
      if (to_unit(atom)) continue;
      std::fill_n(atom, dim_, 0.0F);
      atom[places[i] % dim_] = 1;
    }
  }

  RowSource& vectors_;
  const DictionaryOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  const int64_t dim_;
  double largest_ = 0;  // magnitude in the rows
  SparseCodes codes_;
};

}  // namespace

Codebooks train_dictionary(RowSource& all_rows, const DictionaryOptions& options,
                           Communicator& comm, ThreadPool& pool, DictionaryStatistics* statistics) {
  check_options(options);
  DictionaryStatistics unwanted;
  if (!statistics) statistics = &unwanted;
  const QuantizerRows training =
      rows_to_train_on(all_rows, options.norm, options.sample_rows, options.seed, comm, pool);
  statistics->trained_on = training.rows->total();
  Codebooks codebooks{options.norm, training.mean, {}, {}};
  ResidualRows vectors(*training.rows, options.norm, codebooks.mean);
  Learner learner(vectors, options, comm, pool);
  codebooks.atoms = learner.start();
  Codebook next = codebooks.atoms;
  for (int64_t number = 0;; ++number) {
    DictionaryStep step = learner.code(next);
    auto& steps = statistics->steps;
    const bool fell =
        steps.empty() || step.objective < (1 - options.min_relative_drop) * steps.back().objective;
    if (steps.empty() || step.objective < steps.back().objective) codebooks.atoms = next;
    const bool is_last = !fell || number == options.max_steps;
    if (!is_last) step.unused_atoms = learner.update(number, &next);
    steps.push_back(step);
    if (options.on_step) options.on_step(step);
    if (is_last) break;
  }
  learner.code(codebooks.atoms);
  codebooks.levels = learner.levels_of(codebooks.atoms);
  if (options.fit_codes) refit_codebooks(vectors, learner.codes(), &codebooks, comm, pool);
  return codebooks;
}

}  // namespace tutti::ids
