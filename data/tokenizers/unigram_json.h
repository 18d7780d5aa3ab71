#pragma once

#include <string>

#include "data/tokenizers/tokenizer_file.h"

namespace tutti::data {

// The SentencePiece model (bytes of a spiece.model) that a T5 tokenizer.json was made from: its
// pieces, scores and normalisation table. Sentinels (<extra_id_N>) that the file adds behind the
// pieces are left out, as in spiece.model. DataError naming the field that no T5 tokenizer has.
std::string sentencepiece_from_unigram(const JsonStep& file);

}  // namespace tutti::data
