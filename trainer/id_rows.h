#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "ids/id_table.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// The tokens of the last level, where no other position has them: they end an ID and are never read
// (T5Config::unread_ids).
int64_t unread_tokens(const ids::IdTable& table);
// Says so in a shape as state.json has it, of a model that trains for the table.
void leave_out_unread_tokens(nlohmann::json& shape, const ids::IdTable& table);

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
