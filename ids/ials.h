#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/interactions.h"
#include "ids/shared_table.h"

namespace tutti::ids {

// Implicit ALS in the form of Rendle, Krichene, Zhang, Koren: "Revisiting the performance of iALS
// on item recommendation benchmarks" (2021). For playlists u, tracks i, entries S:
//   sum_S (1 - w_u.h_i)^2 + alpha0 sum_all (w_u.h_i)^2 + sum_u lam_u |w_u|^2 + sum_i lam_i |h_i|^2
//   lam_u = lambda (|S_u| + alpha0 I)^nu,  lam_i = lambda (|S_i| + alpha0 U)^nu
struct IalsOptions {
  int64_t dim = 64;
  int epochs = 8;
  int exact_epochs = 1;  // the last ones solve by Cholesky, the others by warm-started CG
  int cg_steps = 3;
  double unobserved_weight = 0.003;  // alpha0
  double regularization = 0;         // lambda; 0: as `cutoff` says
  double cutoff = 4;                 // see with_regularization()
  double frequency_power = 1;        // nu
  double init_stddev = 0.1;          // of a start vector's length: N(0, this / sqrt(dim)) each
  uint64_t seed = 0;
};

// UsageError that names the option which is out of range.
void check_options(const IalsOptions& options);

// Sets lambda where it is 0. A direction of the data survives the penalty when its singular value
// is above lambda sqrt((n + alpha0 I)^nu (m + alpha0 U)^nu), for playlists of n tracks and tracks
// of m playlists (the penalty is at least twice that root times the nuclear norm). So
//   lambda = cutoff / sqrt((entries / U + alpha0 I)^nu (entries / I + alpha0 U)^nu):
// that root grows with the catalogue, and what is worth keeping does not.
IalsOptions with_regularization(IalsOptions options, const Interactions& interactions);

// Work of a row of so many entries over all epochs, for sharing rows out among ranks.
RowCost ials_row_cost(const IalsOptions& options);

struct IalsEpoch {  // one entry per epoch, equal on every rank but for the seconds
  bool exact = false;
  double objective = 0;                  // of the formula above, after the epoch
  double playlists_s = 0, tracks_s = 0;  // each side in all
  double basis_s = 0, exchange_s = 0;    // of them: Gram matrices and rotations; all-gathers
};

struct Factors {
  SharedTable playlists;  // [num_playlists, dim]
  SharedTable tracks;     // [num_tracks, dim]
};

// Trains the factors of all ranks' interactions; every rank solves its own rows and sees the
// others'. Half an epoch works in the basis where the other side's Gram matrix is diagonal (see
// ials_solver.h), so both tables come out in the principal axes of the playlists. The same bytes at
// any world size and thread count: a row is solved by one thread from the same numbers, Gram
// matrices are summed in fixed point. A row without interactions is zero. UsageError when an option
// is out of range, DataError without training entries. `on_epoch` is called after each epoch, on
// every rank.
Factors train_ials(const Interactions& interactions, const IalsOptions& options, Communicator& comm,
                   ThreadPool& pool, std::vector<IalsEpoch>* log = nullptr,
                   const std::function<void(const IalsEpoch&)>& on_epoch = {});

}  // namespace tutti::ids
