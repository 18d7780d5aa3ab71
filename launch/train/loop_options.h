#pragma once

#include <cstdint>
#include <string>

#include "checkpoints/pending_folder.h"
#include "launch/options.h"
#include "trainer/trainer.h"
#include "trainer/training_data.h"

namespace tutti::launch {

// The loop: how long, in which order, at which learning rate, what is looked at and kept when. The
// defaults of a step are the recipe that led (docs/training.md, Recipes).
struct LoopArgs {
  std::string schedule = "cosine", weight = "pair", group = "playlist", non_finite = "stop",
              commit_name = "rename";
  uint64_t seed = 1;
  int keep = 2;
  checkpoints::Commit commit = checkpoints::Commit::kRename;
  int64_t validation_queries = 500, report_every = 100;
  std::string requests;
  trainer::TrainerOptions trainer = {.learning_rate = {.peak = 0}};  // 0: by the model's width
  trainer::TrainingDataOptions data = {.titles_per_step = 64, .group_cap = 8};
};

void declare(Options& options, LoopArgs& a);
void check(LoopArgs& a);  // UsageError naming the option; resolves names into
                          // `trainer` and `data`

}  // namespace tutti::launch
