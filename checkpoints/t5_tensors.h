#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoints/t5_config.h"

namespace tutti::checkpoints {

struct TensorShape {
  std::string name;
  std::vector<int64_t> shape;
};

// The tensors of HF's T5ForConditionalGeneration in the order of its modules, but for the
// embeddings and the head. With t5.encoder, those of the decoder.
std::vector<TensorShape> t5_block_tensors(const T5Config& t5);

}  // namespace tutti::checkpoints
