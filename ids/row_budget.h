#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/string_table.h"
#include "ids/dictionary.h"
#include "ids/embeddings.h"
#include "ids/residual_quantizer.h"
#include "ids/row_source.h"

namespace tutti::ids {

// Bytes that a rank needs to train and encode, beside the rows themselves: codes, sums of the codes
// a thread, tables of code products and counts, the seeding's sample.
int64_t quantizer_bytes(const ResidualQuantizerOptions& options, const RowSource::Extent& extent,
                        int num_threads);

// The same of a dictionary: weights too, and sums of all pairs of atoms a thread.
int64_t dictionary_bytes(const DictionaryOptions& options, const RowSource::Extent& extent,
                         int num_threads);

// Rows `own` of the file: held in memory when they fit into `budget_bytes`, else read in chunks on
// every pass (file_rows.h). The results are the same bytes. `file` and `track_keys` outlive what is
// returned. UsageError naming --memory when not even the smallest chunks fit.
struct BudgetedRows {
  std::vector<float> values;  // empty when streamed
  std::unique_ptr<RowSource> source;
  bool streamed = false;
};
BudgetedRows open_rows(const EmbeddingsFile& file, const Range& own, int64_t budget_bytes,
                       const data::StringTable* track_keys);

}  // namespace tutti::ids
