#pragma once

#include <cstdint>
#include <string>

#include "launch/options.h"
#include "trainer/trainer.h"
#include "trainer/training_data.h"

namespace tutti::launch {

// The loop: how long, in which order, at which learning rate, what is written when.
struct LoopArgs {
  std::string schedule = "cosine", weight = "pair";
  uint64_t seed = 1;
  int keep = 2;
  int64_t titles_per_step = 8;
  trainer::TrainerOptions trainer;

  trainer::TrainingDataOptions data_options() const;
};

void declare(Options& options, LoopArgs& a);
void check(LoopArgs& a);  // UsageError naming the option; resolves names into `trainer`

}  // namespace tutti::launch
