#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/parameters.h"

// Low-rank adapters inside a linear layer (checkpoints/lora.h): y = x W^T + scale * (x A^T) B^T.
namespace tutti::trainer {

// Those of the matrices that stand one behind the other in a Weight. Their A stand so too, so that
// one product reads x for all.
struct Adapters {
  struct Block {
    int64_t first_row;  // of the Weight
    Weight b;           // [rows, rank]
  };
  Weight a;  // [blocks * rank, in], block for block
  std::vector<Block> blocks;
  double scale = 1;
};

// Standard deviation that an adapter is drawn with: A as peft's, B zero.
double adapter_deviation(const Parameter& adapter);

}  // namespace tutti::trainer
