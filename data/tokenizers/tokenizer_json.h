#pragma once

#include <memory>
#include <string>

#include "data/tokenizers/text_encoder.h"

namespace tutti::data {

// The tokenizer that a tokenizer.json (format of huggingface/tokenizers) describes: byte-level BPE,
// WordPiece, or T5's unigram. Steps of the file are followed exactly or refused by name;
// "truncation" and "padding" are left to who calls. DataError naming the field.
std::unique_ptr<TextEncoder> make_from_tokenizer_json(const std::string& serialized,
                                                      const std::string& origin);

}  // namespace tutti::data
