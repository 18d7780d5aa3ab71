#pragma once

#include <cstdint>
#include <string>

#include "launch/options.h"
#include "trainer/models/t5.h"

namespace tutti::launch {

// What is trained: the model's shape, what it starts from, its vocabulary and its loss.
struct ModelArgs {
  std::string vocabulary, start_ids = "codebook";
  int64_t vocabulary_size = 4000;
  trainer::T5Config t5;
};

void declare(Options& options, ModelArgs& a);
void check(const ModelArgs& a);  // UsageError naming the option

}  // namespace tutti::launch
