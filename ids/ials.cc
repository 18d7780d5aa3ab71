#include "ids/ials.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/gram.h"
#include "ids/ials_solver.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int64_t kRowsPerTask = 64;

void check_options(const IalsOptions& options) {
  const auto require = [](bool ok, const char* flag, auto found, const char* expected) {
    if (!ok) throw UsageError({"", flag, fmt::format("{}", found), expected, ""});
  };
  require(options.dim >= 1 && options.dim <= 4096, "--dim", options.dim, "1 to 4096");
  require(options.epochs >= 1, "--epochs", options.epochs, "at least 1");
  require(options.exact_epochs >= 0, "--exact-epochs", options.exact_epochs, "at least 0");
  require(options.cg_steps >= 1, "--cg-steps", options.cg_steps, "at least 1");
  // The regularisation keeps every row's matrix positive definite.
  require(options.regularization > 0 && std::isfinite(options.regularization), "--regularization",
          options.regularization, "a number above 0");
  require(options.unobserved_weight > 0 && std::isfinite(options.unobserved_weight),
          "--unobserved-weight", options.unobserved_weight, "a number above 0");
  require(std::isfinite(options.frequency_power), "--frequency-power", options.frequency_power,
          "a finite number");
  require(options.init_stddev > 0 && std::isfinite(options.init_stddev), "--init-stddev",
          options.init_stddev, "a number above 0");
}

// One side of the factorization: what is solved for, given the other side.
struct Side {
  std::vector<float>* table;          // [rows, dim], whole on every rank
  const SparseRows* rows;             // own rows
  const std::vector<int64_t>* split;  // [ranks + 1]
  int64_t first;                      // own
  double unobserved;                  // alpha0 * rows of the other side
};

class Trainer {
 public:
  Trainer(const Interactions& interactions, const IalsOptions& options, Communicator& comm,
          ThreadPool& pool)
      : options_(options), comm_(comm), pool_(pool) {
    const int64_t dim = options.dim;
    factors_.dim = dim;
    factors_.playlists.resize(interactions.num_playlists * dim);
    factors_.tracks.resize(interactions.num_tracks * dim);
    const double stddev = options.init_stddev / std::sqrt(static_cast<double>(dim));
    for (int64_t t = 0; t < interactions.num_tracks; ++t) {
      Rng rng(options.seed, Purpose::kIalsInit, t);
      for (int64_t j = 0; j < dim; ++j) {
        factors_.tracks[t * dim + j] = static_cast<float>(stddev * rng.normal());
      }
    }
    playlists_ = {&factors_.playlists, &interactions.by_playlist, &interactions.playlist_split,
                  interactions.playlist_split[comm.rank()],
                  options.unobserved_weight * static_cast<double>(interactions.num_tracks)};
    tracks_ = {&factors_.tracks, &interactions.by_track, &interactions.track_split,
               interactions.track_split[comm.rank()],
               options.unobserved_weight * static_cast<double>(interactions.num_playlists)};
  }

  Factors train(std::vector<IalsEpoch>* log,
                const std::function<void(const IalsEpoch&)>& on_epoch) {
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      IalsEpoch now;
      now.exact = epoch >= options_.epochs - options_.exact_epochs;
      now.playlists_s = solve(playlists_, factors_.tracks, now.exact);
      now.tracks_s = solve(tracks_, factors_.playlists, now.exact);
      if (log || on_epoch) now.objective = objective();
      if (log) log->push_back(now);
      if (on_epoch) on_epoch(now);
    }
    return std::move(factors_);
  }

 private:
  double lambda(const Side& side, int64_t degree) const {
    return options_.regularization *
           std::pow(static_cast<double>(degree) + side.unobserved, options_.frequency_power);
  }

  std::vector<float> weighted_gram(const std::vector<float>& table) {
    auto gram =
        gram_matrix(table.data(), std::ssize(table) / options_.dim, options_.dim, comm_, pool_);
    for (float& value : gram) value *= static_cast<float>(options_.unobserved_weight);
    return gram;
  }

  // Seconds.
  double solve(const Side& side, const std::vector<float>& other, bool exact) {
    const auto start = std::chrono::steady_clock::now();
    const int64_t dim = options_.dim, num_rows = side.rows->size();
    const auto gram = weighted_gram(other);
    std::vector<IalsRowSolver> solvers;
    solvers.reserve(pool_.num_threads());
    for (int t = 0; t < pool_.num_threads(); ++t) {
      solvers.emplace_back(other.data(), gram.data(), dim);
    }
    pool_.for_each_block((num_rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task, int t) {
      const int64_t last = std::min(num_rows, (task + 1) * kRowsPerTask);
      for (int64_t i = task * kRowsPerTask; i < last; ++i) {
        float* x = side.table->data() + (side.first + i) * dim;
        const auto entries = side.rows->row(i);
        if (entries.empty()) {
          std::fill_n(x, dim, 0.0F);
          continue;
        }
        const auto row_lambda = static_cast<float>(lambda(side, std::ssize(entries)));
        if (exact) {
          solvers[t].solve_exactly(entries, row_lambda, x);
        } else {
          solvers[t].solve_by_cg(entries, row_lambda, options_.cg_steps, x);
        }
      }
    });
    comm_.all_gather_rows(side.table->data(), dim * static_cast<int64_t>(sizeof(float)),
                          *side.split);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // sum lam |x|^2 over own rows.
  double regularization_of(const Side& side) const {
    double sum = 0;
    for (int64_t i = 0; i < side.rows->size(); ++i) {
      const float* x = side.table->data() + (side.first + i) * options_.dim;
      sum += lambda(side, std::ssize(side.rows->row(i))) * squared_norm(x, options_.dim);
    }
    return sum;
  }

  double objective() {
    const int64_t dim = options_.dim;
    double own = regularization_of(playlists_) + regularization_of(tracks_);
    for (int64_t i = 0; i < playlists_.rows->size(); ++i) {
      const float* w = factors_.playlists.data() + (playlists_.first + i) * dim;
      for (int32_t track : playlists_.rows->row(i)) {
        float product = 0;
        rows_times_vector(&factors_.tracks[track * dim], 1, dim, w, &product);
        own += (1 - product) * (1 - product);
      }
    }
    const double observed = comm_.sum(own);
    // sum over all pairs of (w.h)^2 is the inner product of the two Gram matrices.
    const auto a = weighted_gram(factors_.playlists);
    const auto b = weighted_gram(factors_.tracks);
    double unobserved = 0;
    for (size_t i = 0; i < a.size(); ++i) unobserved += static_cast<double>(a[i]) * b[i];
    return observed + unobserved / options_.unobserved_weight;
  }

  const IalsOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  Factors factors_;
  Side playlists_{}, tracks_{};
};

}  // namespace

Factors train_ials(const Interactions& interactions, const IalsOptions& options, Communicator& comm,
                   ThreadPool& pool, std::vector<IalsEpoch>* log,
                   const std::function<void(const IalsEpoch&)>& on_epoch) {
  check_options(options);
  if (interactions.num_entries == 0) {
    throw DataError({"", "", "no entry in any training playlist", "training playlists with tracks",
                     "check the split with `tutti inspect`"});
  }
  return Trainer(interactions, options, comm, pool).train(log, on_epoch);
}

}  // namespace tutti::ids
