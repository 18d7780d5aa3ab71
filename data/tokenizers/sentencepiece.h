#pragma once

#include <memory>
#include <string>

#include "data/tokenizers/text_encoder.h"

namespace tutti::data {

// A SentencePiece model with T5's special ids. DataError naming what differs.
std::unique_ptr<TextEncoder> make_sentencepiece(std::string serialized_model,
                                                const std::string& origin);

}  // namespace tutti::data
