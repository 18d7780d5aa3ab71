#pragma once

#include <cstdint>

#include "ids/id_table.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// Starts the rows of ID tokens (decoder input and head) from the codebook vectors they stand for,
// through one fixed random projection, so that tokens of near codes begin near each other. Scale as
// after IdModel::initialize; tokens without a vector (suffixes) keep their random rows.
void start_id_rows_from_codebooks(IdModel& model, const ids::IdTable& table, uint64_t seed);

// Gives ID rows that start at the scale of IdModel::initialize the scale that a loaded base works
// at: what the decoder reads is as large as text rows are, and the first logits of an untied head
// have a deviation of about 1, whatever the weights of the last norm. Rows that a Llama both reads
// and predicts with lie about the mean of its text rows, which is the same to all logits, at the
// distance that gives them that deviation (Hewitt, "Initializing New Word Embeddings for Pretrained
// Language Models", 2021).
void scale_id_rows_to_base(IdModel& model);

}  // namespace tutti::trainer
