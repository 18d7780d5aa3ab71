#include "ids/rebuild.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "ids/alignment.h"
#include "ids/beam_encoder.h"
#include "ids/code_matching.h"
#include "ids/fixed_point.h"
#include "ids/residual_rows.h"
#include "ids/row_budget.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr double kWorthTurning = 0.2;  // dB that turned codebooks gain
constexpr double kAnotherSpace = 1.0;  // dB: the vectors are not those that the codes were made of
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerances[] = {0, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, kInfinity};

class Rebuild {
 public:
  Rebuild(RowSource& rows, const IdTable& old, const CatalogChange& change,
          const RebuildOptions& options, Communicator& comm, ThreadPool& pool)
      : rows_(rows),
        num_levels_(old.id_length() - 1),
        options_(options),
        comm_(comm),
        pool_(pool),
        known_(rows.count() * num_levels_, kNoCode) {
    for (int64_t i = 0; i < rows.count(); ++i) {
      const int32_t known = change.known[rows.first() + i];
      if (known == CatalogChange::kNew) continue;
      const auto id = known_id(old, known);
      for (int64_t l = 0; l < num_levels_; ++l) {
        known_[i * num_levels_ + l] = id[l] - old.levels[l].first_token;
      }
    }
  }

  // Codebooks that the vectors are in the space of.
  Codebooks fit_codebooks(const Codebooks& old, RebuildReport* report) {
    report->snr_as_they_were = snr_of_known(rows_, known_, old, comm_, pool_);
    const Codebooks turned = turn_to_rows(rows_, known_, old, comm_, pool_);
    report->snr_turned = snr_of_known(rows_, known_, turned, comm_, pool_);
    const double gain = report->snr_turned - report->snr_as_they_were;
    if (options_.tier == RebuildTier::kAppend) {
      if (gain > kAnotherSpace) {
        throw DataError({"", "--embeddings",
                         fmt::format("known codes stand for the vectors with an SNR of {:.2f} dB, "
                                     "{:.2f} dB if turned",
                                     report->snr_as_they_were, report->snr_turned),
                         "vectors in the space of the table's codebooks",
                         "make them with `tutti embed fold-in`, or use --tier refresh"});
      }
      return old;
    }
    report->turned = gain > kWorthTurning;
    Codebooks codebooks = report->turned ? turned : old;
    return options_.tier == RebuildTier::kRebuild ? train(codebooks) : codebooks;
  }

  // This rank's codes and whether its tracks keep their IDs.
  void choose(const Codebooks& codebooks, RebuildReport* report) {
    keeps_.assign(rows_.count(), 0);
    if (options_.tier == RebuildTier::kAppend) {
      codes_ = known_;
      encode_new(codebooks);
      for (int64_t i = 0; i < rows_.count(); ++i) keeps_[i] = is_known(i) ? 1 : 0;
      return;
    }
    codes_ = encode(rows_, codebooks, options_.beam, pool_);
    measure(codebooks);
    report->outcomes = outcomes();
    for (int64_t i = 0; i < rows_.count(); ++i) {
      if (!is_known(i) || moves(i, options_.tolerance)) continue;
      keeps_[i] = 1;
      std::copy_n(&known_[i * num_levels_], num_levels_, &codes_[i * num_levels_]);
    }
  }

  const std::vector<int32_t>& codes() const { return codes_; }
  const std::vector<uint8_t>& keeps() const { return keeps_; }

 private:
  bool is_known(int64_t i) const { return known_[i * num_levels_] != kNoCode; }
  bool moves(int64_t i, double tolerance) const {
    if (tolerance == kInfinity) return false;
    return errors_[i].known > (1 + tolerance) * errors_[i].best;
  }

  // Trains on from `start`; codes then take the numbers of the old ones that most of their tracks
  // had.
  Codebooks train(const Codebooks& start) {
    ResidualQuantizerOptions quantizer;
    quantizer.beam = options_.beam;
    quantizer.max_steps = options_.max_steps;
    quantizer.refit_rounds = options_.refit_rounds;
    Codebooks codebooks = refine_residual_quantizer(rows_, start, quantizer, comm_, pool_);
    const auto codes = encode(rows_, codebooks, options_.beam, pool_);
    for (int64_t l = 0; l < num_levels_; ++l) {
      auto& level = codebooks.levels[l];
      const int64_t n = level.num_codes;
      std::vector<int64_t> together(n * n);  // [old code, new code]
      for (int64_t i = 0; i < rows_.count(); ++i) {
        if (is_known(i)) ++together[known_[i * num_levels_ + l] * n + codes[i * num_levels_ + l]];
      }
      comm_.all_reduce_sum(std::span<int64_t>(together));
      const auto matching = best_matching(together, n);
      const Codebook trained = level;
      for (int64_t k = 0; k < n; ++k) {
        std::ranges::copy(trained.row(matching[k]), level.values.begin() + k * level.dim);
        if (!level.prices.empty()) level.prices[k] = trained.prices[matching[k]];
      }
    }
    return codebooks;
  }

  void encode_new(const Codebooks& codebooks) {
    std::vector<int64_t> places;
    for (int64_t i = 0; i < rows_.count(); ++i) {
      if (!is_known(i)) places.push_back(i);
    }
    std::vector<float> values(places.size() * rows_.dim());
    rows_.gather(places, values.data());
    const auto count = std::ssize(places);
    RowsInMemory packed(RowShard{values.data(), 0, count, count, rows_.dim()});
    const auto codes = encode(packed, codebooks, options_.beam, pool_);
    for (int64_t p = 0; p < count; ++p) {
      std::copy_n(&codes[p * num_levels_], num_levels_, &codes_[places[p] * num_levels_]);
    }
  }

  void measure(const Codebooks& codebooks) {
    errors_.resize(rows_.count());
    ResidualRows vectors(rows_, codebooks.norm, codebooks.mean);
    const int64_t dim = rows_.dim();
    const auto error = [&](const float* x, const int32_t* path) {
      std::vector<const float*> terms;
      for (int64_t l = 0; l < num_levels_; ++l) {
        terms.push_back(codebooks.levels[l].row(path[l]).data());
      }
      return squared_distance(x, terms, dim);
    };
    vectors.for_each_block(pool_, [&](const float* values, const RowBlock& part, int) {
      for (int64_t i = 0; i < part.count; ++i) {
        const int64_t row = part.local + i;
        const float* x = values + i * dim;
        auto& errors = errors_[row];
        errors.energy = squared_norm(x, dim);
        errors.best = error(x, &codes_[row * num_levels_]);
        // On its best codes already: it has nowhere to move.
        const bool same =
            std::equal(&known_[row * num_levels_], &known_[row * num_levels_] + num_levels_,
                       &codes_[row * num_levels_]);
        errors.known = !is_known(row) || same ? errors.best : error(x, &known_[row * num_levels_]);
      }
    });
  }

  std::vector<ToleranceOutcome> outcomes() {
    double largest = 0;
    for (const auto& errors : errors_) {
      largest = std::max({largest, errors.energy, errors.known, errors.best});
    }
    comm_.all_reduce(&largest, 1, DType::kFloat64, ReduceOp::kMax);
    const double scale = fixed_point_scale(rows_.total(), largest);
    std::vector<ToleranceOutcome> result;
    for (const double tolerance : kTolerances) {
      std::vector<int64_t> sums(3);  // energy, error, moved
      for (int64_t i = 0; i < rows_.count(); ++i) {
        if (!is_known(i)) continue;
        const bool leaves = moves(i, tolerance);
        sums[0] += to_fixed_point(errors_[i].energy, scale);
        sums[1] += to_fixed_point(leaves ? errors_[i].best : errors_[i].known, scale);
        sums[2] += leaves ? 1 : 0;
      }
      comm_.all_reduce_sum(std::span<int64_t>(sums));
      const double snr = sums[0] == 0
                             ? 0
                             : 10 * std::log10(static_cast<double>(sums[0]) /
                                               static_cast<double>(std::max<int64_t>(1, sums[1])));
      result.push_back({tolerance, sums[2], snr});
    }
    return result;
  }

  struct Errors {  // squared, of a row
    double energy = 0, known = 0, best = 0;
  };

  RowSource& rows_;
  const int64_t num_levels_;
  const RebuildOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  std::vector<int32_t> known_;  // [count, L], the codes that this rank's tracks had; kNoCode
  std::vector<int32_t> codes_;  // [count, L]
  std::vector<uint8_t> keeps_;  // [count]
  std::vector<Errors> errors_;  // [count]
};

void add_token_vectors(const Codebooks& codebooks, IdTable* table) {
  table->vector_dim = codebooks.dim();
  for (const auto& level : codebooks.levels) {
    table->token_vectors.insert(table->token_vectors.end(), level.values.begin(),
                                level.values.end());
  }
  table->token_vectors.resize(table->num_tokens() * table->vector_dim);
}

}  // namespace

RebuildTier rebuild_tier(const std::string& name) {
  for (const auto tier : {RebuildTier::kAppend, RebuildTier::kRefresh, RebuildTier::kRebuild}) {
    if (name == name_of(tier)) return tier;
  }
  throw UsageError({"", "--tier", "'" + name + "'", "append, refresh or rebuild", ""});
}

const char* name_of(RebuildTier tier) {
  switch (tier) {
    case RebuildTier::kAppend:
      return "append";
    case RebuildTier::kRefresh:
      return "refresh";
    case RebuildTier::kRebuild:
      return "rebuild";
  }
  TUTTI_CHECK(false, "a RebuildTier of no name");
}

int64_t rebuild_bytes(const Codebooks& codebooks, const RebuildOptions& options,
                      const RowSource::Extent& extent, int num_threads, bool is_root) {
  const int64_t dim = extent.dim, levels = codebooks.num_levels();
  ResidualQuantizerOptions quantizer;
  quantizer.beam = options.beam;
  quantizer.refit_rounds = options.refit_rounds;
  quantizer.num_codes.clear();
  for (const auto& level : codebooks.levels) quantizer.num_codes.push_back(level.num_codes);
  const int64_t most = *std::ranges::max_element(quantizer.num_codes);
  const int64_t own = extent.count * (8 * levels + 25);  // known and new codes, errors
  const int64_t gathered = extent.total * (4 * levels + 1);
  const int64_t turning = num_threads * (8 * kRowBlock * dim + 24 * dim * dim);
  const int64_t matching = 16 * most * most;
  const int64_t joined = is_root ? extent.total * (12 * levels + 70) : 0;
  return own + gathered + joined + std::max(turning, matching) +
         quantizer_bytes(quantizer, extent, num_threads);
}

RebuiltIds rebuild_ids(RowSource& rows, const IdTable& old, const data::StringTable& old_keys,
                       const Codebooks& old_codebooks, const CatalogChange& change,
                       const TrackOrder& tracks, const RebuildOptions& options, Communicator& comm,
                       ThreadPool& pool) {
  BeamEncoder::check_beam(options.beam);
  if (!(options.tolerance >= 0)) {
    throw UsageError({"", "--tolerance", fmt::format("{}", options.tolerance), "at least 0", ""});
  }
  if (options.tier == RebuildTier::kRebuild && old_codebooks.atoms.num_codes > 0) {
    throw UsageError({"", "--tier", "rebuild, for codes of a dictionary", "append or refresh",
                      "only the codebooks of rq-kmeans are trained on"});
  }
  TUTTI_CHECK(old.id_length() == old_codebooks.num_levels() + 1 &&
                  rows.dim() == old_codebooks.dim() && std::ssize(change.known) == rows.total(),
              "vectors, codebooks and IDs that belong together");
  RebuiltIds result;
  Rebuild rebuild(rows, old, change, options, comm, pool);
  result.codebooks = rebuild.fit_codebooks(old_codebooks, &result.report);
  rebuild.choose(result.codebooks, &result.report);
  result.report.levels = measure_codes(rows, rebuild.codes(), result.codebooks, comm, pool);
  const auto codes = comm.all_gather(std::span<const int32_t>(rebuild.codes()));
  const auto keeps = comm.all_gather(std::span<const uint8_t>(rebuild.keeps()));
  if (!comm.is_root()) return result;
  result.table =
      continue_table(old, old_keys, change, codes, keeps, tracks.popularity, tracks.keys);
  add_token_vectors(result.codebooks, &result.table);
  result.report.churn = count_churn(old, change, result.table);
  result.report.groups =
      CodeGroups(codes, old.id_length() - 1, tracks.popularity, tracks.keys).report();
  return result;
}

}  // namespace tutti::ids
