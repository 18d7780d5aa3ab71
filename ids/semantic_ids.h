#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/string_table.h"
#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/id_table.h"
#include "ids/residual_quantizer.h"
#include "ids/uniqueness.h"

namespace tutti::ids {

struct SemanticIds {
  IdTable table;
  Codebooks codebooks;
  QuantizerStatistics quantizer;
  GroupReport groups;
  double train_s = 0, encode_s = 0, unique_s = 0;
};

// Quantizes the tracks' vectors and makes the codes unique: one token a level, then a suffix. Every
// rank gives its rows of the table and receives all of it. `split` [ranks + 1]: the owned rows of
// each rank; `popularity` and `keys` are of all tracks.
// UsageError when the tokens do not fit 32 bits; errors of train_kmeans.
SemanticIds build_semantic_ids(const RowShard& rows, const std::vector<int64_t>& split,
                               const std::vector<int32_t>& popularity,
                               const data::StringTable& keys, const std::string& space,
                               const ResidualQuantizerOptions& options, Communicator& comm,
                               ThreadPool& pool);

// Codes [num_tracks, L] and suffixes as an ID table with the codebook vectors of its tokens.
IdTable make_id_table(const std::vector<int32_t>& codes, const Suffixes& suffixes,
                      const Codebooks& codebooks, const std::string& space);

}  // namespace tutti::ids
