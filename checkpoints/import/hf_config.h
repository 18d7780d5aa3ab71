#pragma once

#include <filesystem>

#include "checkpoints/t5_config.h"

namespace tutti::checkpoints {

// What config.json says of a T5.
struct HfT5Config {
  T5Config shape;  // tie_word_embeddings and scale_decoder_outputs as the flags say
  // transformers 5 writes scale_decoder_outputs and always sets tie_word_embeddings: then the head
  // is shared only where the files hold no other.
  bool tells_scale_apart = false;
};

// Absent fields mean what they mean to transformers 4. DataError naming the file and the field.
HfT5Config read_hf_t5_config(const std::filesystem::path& path);

}  // namespace tutti::checkpoints
