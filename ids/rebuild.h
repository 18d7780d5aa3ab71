#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/string_table.h"
#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/catalog_change.h"
#include "ids/codebooks.h"
#include "ids/id_table.h"
#include "ids/residual_quantizer.h"
#include "ids/row_source.h"
#include "ids/semantic_ids.h"

namespace tutti::ids {

// How far an ID table follows a changed catalogue.
enum class RebuildTier {
  kAppend,   // new tracks are encoded with the codebooks as they are; nobody else moves
  kRefresh,  // and tracks move whose error falls enough; codebooks are turned to the vectors
  kRebuild,  // and the codebooks are trained on, from where they stand
};
RebuildTier rebuild_tier(const std::string& name);  // UsageError naming the choices
const char* name_of(RebuildTier tier);

struct RebuildOptions {
  RebuildTier tier = RebuildTier::kAppend;
  // tau: a track moves when its squared error is more than (1 + tau) times what its best codes
  // leave.
  double tolerance = 0.25;
  int beam = 8;
  int max_steps = 4;     // k-means steps a level of kRebuild
  int refit_rounds = 1;  // of kRebuild
};

// What tolerance would do: how many of the tracks with an ID would move, and the SNR of these
// tracks then.
struct ToleranceOutcome {
  double tolerance;  // infinite: nobody moves
  int64_t moved;
  double snr_db;
};

struct RebuildReport {          // equal on every rank but for what rank 0 counts
  double snr_as_they_were = 0;  // of the known codes with the old codebooks, in the new vectors
  double snr_turned = 0;        // after the codebooks were turned to the vectors
  bool turned = false;          // which was worth it
  std::vector<ToleranceOutcome> outcomes;  // by rising tolerance; none of kAppend
  std::vector<LevelStatistics> levels;     // of the new table, over all tracks
  Churn churn;                             // on rank 0
  GroupReport groups;                      // on rank 0
};

// Bytes that a rank needs for any tier, beside the rows and what it holds of the old table: codes,
// errors, what rank 0 joins, and what a quantizer needs (row_budget.h).
int64_t rebuild_bytes(const Codebooks& codebooks, const RebuildOptions& options,
                      const RowSource::Extent& extent, int num_threads, bool is_root);

struct RebuiltIds {
  IdTable table;  // on rank 0, without retired vectors elsewhere
  Codebooks codebooks;
  RebuildReport report;
};

// Carries a table of semantic IDs over to a changed catalogue. Rows are the vectors of the new
// catalogue, this rank's share in whole blocks; `old_keys`, `keys` and `popularity` matter on every
// rank, on rank 0 and on rank 0. The same bytes at any world size. DataError when the vectors are
// not in the space of the codebooks and the tier does not turn them. Collective.
RebuiltIds rebuild_ids(RowSource& rows, const IdTable& old, const data::StringTable& old_keys,
                       const Codebooks& old_codebooks, const CatalogChange& change,
                       const TrackOrder& tracks, const RebuildOptions& options, Communicator& comm,
                       ThreadPool& pool);

}  // namespace tutti::ids
