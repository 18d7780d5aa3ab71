#pragma once

#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include "ids/id_table.h"
#include "trainer/model_io.h"

namespace tutti::trainer {

// A trained model goes on under the IDs of a changed catalogue. `ids rebuild` keeps the number and
// the meaning of every token; only the last level, the suffix, may have grown.

// The model of a checkpoint that was trained for the table that `ids` followed from, as it was
// there. DataError naming both hashes when it was trained for any other, `ids` itself too: that
// run is resumed.
LoadedModel load_predecessor(const std::filesystem::path& run_or_checkpoint,
                             const ids::LoadedIdTable& ids);

// The shape that `model` has under a table: as it is, with a row for each of its tokens.
nlohmann::json shape_under(const IdModel& model, const ids::IdTable& table);

// Copies the weights of `from` into `to`, whose shape is shape_under(). A token that is new starts
// at the mean of the rows of its level, which is the best guess of what its neighbours would do.
// The number of new tokens. DataError when the table has fewer tokens than the model.
int64_t carry_over(const IdModel& from, const ids::IdTable& table, IdModel& to);

}  // namespace tutti::trainer
