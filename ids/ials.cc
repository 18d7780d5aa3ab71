#include "ids/ials.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/gram.h"
#include "ids/ials_rows.h"

namespace tutti::ids {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One side of the factorization.
struct Side {
  SharedTable table;
  const SparseRows* rows;  // own
};

class Trainer {
 public:
  Trainer(const Interactions& interactions, const IalsOptions& options, Communicator& comm,
          ThreadPool& pool)
      : options_(options), comm_(comm), pool_(pool) {
    const int64_t dim = options.dim;
    playlists_ = {SharedTable(dim, interactions.playlist_split, comm), &interactions.by_playlist};
    tracks_ = {SharedTable(dim, interactions.track_split, comm), &interactions.by_track};
    const auto rows = tracks_.table.even_share(kFactorBlock);
    float* values = tracks_.table.values().data();
    const double stddev = options.init_stddev / std::sqrt(static_cast<double>(dim));
    pool.for_each_block((rows.size() + kFactorBlock - 1) / kFactorBlock, [&](int64_t block, int) {
      const int64_t begin = rows.first + block * kFactorBlock;
      for (int64_t t = begin; t < std::min(rows.last, begin + kFactorBlock); ++t) {
        Rng rng(options.seed, Purpose::kIalsInit, t);
        for (int64_t j = 0; j < dim; ++j) {
          values[t * dim + j] = static_cast<float>(stddev * rng.normal());
        }
      }
    });
  }

  Factors train(std::vector<IalsEpoch>* log,
                const std::function<void(const IalsEpoch&)>& on_epoch) {
    std::vector<double> gram;  // of the tracks, once known
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      IalsEpoch now;
      now.exact = epoch >= options_.epochs - options_.exact_epochs;
      RowSums playlists, tracks;
      const auto start = std::chrono::steady_clock::now();
      solve(playlists_, tracks_, gram, now, &playlists);
      now.playlists_s = seconds_since(start);
      const auto axes = solve(tracks_, playlists_, {}, now, &tracks);
      now.tracks_s = seconds_since(start) - now.playlists_s;
      // The sum over all pairs of (w.h)^2 is the inner product of the two Gram matrices; the
      // playlists' is diagonal. The tracks' serves the next epoch as well.
      comm_.barrier();
      gram = gram_matrix(even_rows(tracks_), comm_, pool_);
      double unobserved = 0;
      for (int64_t j = 0; j < options_.dim; ++j) {
        unobserved += static_cast<double>(axes.values[j]) * gram[j * options_.dim + j];
      }
      now.objective = comm_.sum(tracks.squared_error + playlists.penalty + tracks.penalty) +
                      options_.unobserved_weight * unobserved;
      if (log) log->push_back(now);
      if (on_epoch) on_epoch(now);
    }
    tracks_.table.share_own_rows(comm_);
    return {std::move(playlists_.table), std::move(tracks_.table)};
  }

 private:
  // What this rank does of passes whose work goes by rows. Shares of solving go by entries: tracks
  // of the tail have few of them, so that one rank may own most of the rows.
  RowShard even_rows(Side& side) const {
    const auto share = side.table.even_share(kFactorBlock);
    return {side.table.values().data() + share.first * options_.dim, share.first, share.size(),
            side.table.num_rows(), options_.dim};
  }

  // Half an epoch; returns the basis that both sides are in afterwards. `gram`: the other side's,
  // empty when not known.
  PrincipalAxes solve(Side& side, Side& other, std::vector<double> gram, IalsEpoch& epoch,
                      RowSums* sums) {
    const auto start = std::chrono::steady_clock::now();
    const int64_t dim = options_.dim;
    // Nobody writes rows that others still read, or reads rows that others still write.
    comm_.barrier();
    if (gram.empty()) gram = gram_matrix(even_rows(other), comm_, pool_);
    auto axes = principal_axes(gram, dim, comm_);
    for (Side* each : {&side, &other}) {
      const auto share = each->table.even_share(kFactorBlock);
      rotate_rows(axes, share.size(), dim, each->table.values().data() + share.first * dim, pool_);
    }
    const double basis_s = seconds_since(start);
    other.table.share_own_rows(comm_);
    epoch.basis_s += basis_s;
    epoch.exchange_s += seconds_since(start) - basis_s;
    solve_rows(
        {*side.rows, other.table.values().data(), other.table.num_rows(), axes.values, epoch.exact},
        options_, side.table.own_values().data(), sums, pool_);
    return axes;
  }

  const IalsOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  Side playlists_, tracks_;
};

}  // namespace

void check_options(const IalsOptions& options) {
  const auto require = [](bool ok, const char* flag, auto found, const char* expected) {
    if (!ok) throw UsageError({"", flag, fmt::format("{}", found), expected, ""});
  };
  require(options.dim >= 1 && options.dim <= 4096, "--dim", options.dim, "1 to 4096");
  require(options.epochs >= 1, "--epochs", options.epochs, "at least 1");
  require(options.exact_epochs >= 0, "--exact-epochs", options.exact_epochs, "at least 0");
  require(options.cg_steps >= 1, "--cg-steps", options.cg_steps, "at least 1");
  // The regularisation keeps every row's matrix positive definite.
  require(options.regularization >= 0 && std::isfinite(options.regularization), "--regularization",
          options.regularization, "a number above 0, or 0 to follow --cutoff");
  require(options.cutoff > 0 && std::isfinite(options.cutoff), "--cutoff", options.cutoff,
          "a number above 0");
  require(options.unobserved_weight > 0 && std::isfinite(options.unobserved_weight),
          "--unobserved-weight", options.unobserved_weight, "a number above 0");
  require(std::isfinite(options.frequency_power), "--frequency-power", options.frequency_power,
          "a finite number");
  require(options.init_stddev > 0 && std::isfinite(options.init_stddev), "--init-stddev",
          options.init_stddev, "a number above 0");
}

IalsOptions with_regularization(IalsOptions options, const Interactions& interactions) {
  if (options.regularization > 0) return options;
  const auto entries = static_cast<double>(interactions.num_entries);
  const auto playlists = static_cast<double>(std::max<int64_t>(1, interactions.num_playlists));
  const auto tracks = static_cast<double>(std::max<int64_t>(1, interactions.num_tracks));
  const double playlist_penalty = entries / playlists + options.unobserved_weight * tracks;
  const double track_penalty = entries / tracks + options.unobserved_weight * playlists;
  options.regularization =
      options.cutoff / std::pow(playlist_penalty * track_penalty, options.frequency_power / 2);
  return options;
}

RowCost ials_row_cost(const IalsOptions& options) {
  // In tenths of what one entry costs in an epoch of conjugate gradients, measured at dim 128.
  const int64_t dim = options.dim, cg = std::max(0, options.epochs - options.exact_epochs);
  const int64_t exact = std::min(options.exact_epochs, options.epochs);
  return [dim, cg, exact](int64_t n) {
    const int64_t by_cg = 10 * n + 60;
    const int64_t exactly = n < dim ? by_cg + n * n / 2 : by_cg + n * dim / 8 + dim * dim / 4;
    return cg * by_cg + exact * exactly;
  };
}

Factors train_ials(const Interactions& interactions, const IalsOptions& options, Communicator& comm,
                   ThreadPool& pool, std::vector<IalsEpoch>* log,
                   const std::function<void(const IalsEpoch&)>& on_epoch) {
  check_options(options);
  if (interactions.num_entries == 0) {
    throw DataError({"", "", "no entry in any training playlist", "training playlists with tracks",
                     "check the split with `tutti inspect`"});
  }
  const auto resolved = with_regularization(options, interactions);
  return Trainer(interactions, resolved, comm, pool).train(log, on_epoch);
}

}  // namespace tutti::ids
