#pragma once

#include <cstdint>

#include "data/dataset.h"
#include "data/tokenizer.h"
#include "ids/id_table.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// Starts the rows of ID tokens (decoder input and head) from the text of what they stand for: the
// mean, over training playlists and their tracks with the token, of the word embeddings of the
// playlist's title. Of another width than the model's they come through one fixed random
// projection. A level's rows get the mean, and the deviation about it, that the rows had; tokens
// that no training playlist reaches, and suffixes, keep what they hold. Behind the loading of a
// base: the embeddings are its. Reads all training playlists.
void start_id_rows_from_text(IdModel& model, const ids::IdTable& table,
                             const data::Dataset& dataset, const data::Tokenizer& tokenizer,
                             uint64_t seed);

}  // namespace tutti::trainer
