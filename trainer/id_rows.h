#pragma once

#include <cstdint>

#include "ids/id_table.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {

// Starts the rows of ID tokens (decoder input and head) from the codebook vectors they stand for,
// through one fixed random projection, so that tokens of near codes begin near each other. Scale as
// after T5Model::initialize; tokens without a vector (suffixes) keep their random rows.
void start_id_rows_from_codebooks(T5Model& model, const ids::IdTable& table, uint64_t seed);

}  // namespace tutti::trainer
