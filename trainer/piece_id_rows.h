#pragma once

#include <cstdint>

#include "checkpoints/import/hf.h"
#include "checkpoints/import/llama.h"
#include "ids/id_table.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// Starts the ID rows (decoder input and head) of tokens that are pieces of the base's vocabulary
// from the base's own rows of these pieces; the other rows keep what they hold. Behind load_base().
// Returns how many rows that were: of the table's TokenPieces, which must be of this vocabulary.
int64_t start_id_rows_from_pieces(IdModel& model, const ids::IdTable& table,
                                  const checkpoints::HfT5& base);
int64_t start_id_rows_from_pieces(IdModel& model, const ids::IdTable& table,
                                  const checkpoints::LlamaSource& base);

}  // namespace tutti::trainer
