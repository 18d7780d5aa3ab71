#pragma once

#include <string>

namespace tutti::trainer {

// Which parameters training may change; the others cost no gradient, no optimizer state and no
// all-reduce.
enum class TrainedPart {
  kAll,
  kIdRows,   // the rows of ID tokens: what the decoder reads and what it predicts with
  kDecoder,  // these, the decoder's layers and, over BERT, what it starts from; of a decoder-only
             // model all but the text vocabulary
};
TrainedPart trained_part_from_name(const std::string& name);  // UsageError: all, id-rows, decoder

// How the gradient of the text vocabulary is kept, of which a step reads few rows.
enum class TextRows {
  kSparse,  // as a list of rows; their AdamW is that of the steps that touch them
  kDense,   // as any other parameter's; needed where a tied head predicts text (the full softmax)
};

// How a model is held for training.
struct TrainingForm {
  TrainedPart part = TrainedPart::kAll;
  TextRows text_rows = TextRows::kDense;
};

}  // namespace tutti::trainer
