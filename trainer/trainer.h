#pragma once

#include <cstdint>
#include <functional>

#include "dist/communicator.h"
#include "ids/id_table.h"
#include "trainer/models/t5.h"
#include "trainer/optimizer.h"
#include "trainer/training_data.h"

namespace tutti::trainer {

struct TrainerOptions {
  LearningRate learning_rate;  // total_steps is the length of the run
  AdamWOptions adamw;
  double clip_norm = 1.0;  // of the whole gradient; 0: no clipping
  int64_t bucket_elements =
      4 << 20;                // gradients are all-reduced in fixed buckets of this many floats
  int64_t report_every = 50;  // steps
  int64_t checkpoint_every = 1000;  // steps; the last step always writes one
};

// What happened since the last report; equal on all ranks but for the times, which are this rank's
// means.
struct StepReport {
  int64_t step = 0;      // steps done
  double loss = 0;       // mean over the interval, nats a pair (or a playlist, as weighted)
  double grad_norm = 0;  // of the last step, before clipping
  double learning_rate = 0;
  double pairs_per_s = 0;     // all ranks
  double nodes_per_pair = 0;  // this rank
  double step_ms = 0, data_ms = 0, model_ms = 0, reduce_ms = 0, update_ms = 0;
};

struct TrainerHooks {
  std::function<void(const StepReport&)> report;
  std::function<void(int64_t step)> checkpoint;  // all ranks call it, at the same steps
  std::function<bool()> stop_requested;  // this rank's wish; the ranks agree at the end of a step
};

enum class TrainEnd { kDone, kStopped };

// Data-parallel training of one model: every rank computes the gradients of its titles, their sum
// over ranks is divided by the step's global weight, so that N ranks make the same step as one. The
// model's parameters must be equal on all ranks at the start.
class Trainer {
 public:
  Trainer(T5Model& model, AdamW& optimizer, TrainingData& data, const ids::IdTable& table,
          Communicator& comm, const TrainerOptions& options);

  // Runs steps [first_step, total_steps). NotFiniteError on all ranks in the same step when loss or
  // gradient is not finite.
  TrainEnd run(int64_t first_step, const TrainerHooks& hooks);

 private:
  struct StepResult;
  double forward_backward(const TrainingData::Step& step);
  void reduce_gradients();
  double clip_divisor(double grad_norm) const;

  T5Model& model_;
  AdamW& optimizer_;
  TrainingData& data_;
  const ids::IdTable& table_;
  Communicator& comm_;
  TrainerOptions options_;
};

}  // namespace tutti::trainer
