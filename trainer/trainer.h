#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dist/communicator.h"
#include "ids/id_table.h"
#include "trainer/gradient_reducer.h"
#include "trainer/model_flops.h"
#include "trainer/models/id_model.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"
#include "trainer/step_report.h"
#include "trainer/train_state.h"
#include "trainer/training_data.h"

namespace tutti::trainer {

// What to do about a step whose loss or gradient is not finite. Parameters stay as they were.
enum class NonFinite {
  kStop,  // checkpoint of the state before the step, then NotFiniteError
  kSkip,  // count it and go on; like kStop after too many in a row
};

struct TrainerOptions {
  LearningRate learning_rate;  // total_steps is the length of the run
  AdamWOptions adamw = {};
  double dropout = 0;  // rate, in T5's places
  uint64_t dropout_seed = 0;
  // The run pauses behind this step, with a checkpoint, to go on with more that is trained (0:
  // never).
  int64_t thaw_at = 0;
  double clip_norm = 1.0;           // of the whole gradient; 0: no clipping
  int64_t checkpoint_every = 1000;  // steps; the last step always writes one
  int64_t validate_every = 0;       // steps; 0: never; else also behind the last step
  int64_t patience = 0;  // ends the run after so many validations without a new best; 0: never
  NonFinite non_finite = NonFinite::kStop;
  int64_t non_finite_limit = 10;  // steps in a row that are skipped before the run stops
};

// What a run tells the outside, at the same steps on all ranks.
struct TrainerHooks {
  std::function<void(const StepReport&)> report;      // each step
  std::function<void(const TrainState&)> checkpoint;  // begins one; steps may go on beside it
  // Of the checkpoint under way, where it takes several steps: what this rank adds to the step's
  // control all-reduce, what all do with the sums, and what makes it whole before the run ends.
  std::function<std::array<double, 2>()> save_progress = nullptr;
  std::function<void(const std::array<double, 2>&)> saves_agreed = nullptr;
  std::function<void()> finish_saving = nullptr;
  // hits@10 on validation playlists, equal on all ranks. Behind each: is it the best so far?
  std::function<double(const TrainState&)> validate;
  std::function<void(const TrainState&)> new_best;
  std::function<bool()> stop_requested;  // this rank's wish; the ranks agree at the end of a step
};

enum class TrainEnd { kDone, kStopped, kNoLongerBetter, kThaw };

// Data-parallel training of one model: every rank computes the gradients of its titles, their sum
// over ranks is divided by the step's global weight, so that N ranks and any number of
// micro-batches make the same step as one. The model's parameters must be equal on all ranks at the
// start.
class Trainer {
 public:
  Trainer(IdModel& model, AdamW& optimizer, GradientReducer& reducer, TrainingData& data,
          const ids::IdTable& table, Communicator& comm, const TrainerOptions& options);

  // Runs from state.step to total_steps. The data belongs to a thread of the trainer meanwhile.
  TrainEnd run(TrainState& state, const TrainerHooks& hooks);

 private:
  // Sums over the micro-batches of a rank, then over ranks.
  struct StepSums {
    double loss = 0, flops = 0, stop_wishes = 0;
    double bad_losses = 0;  // that are not finite
    std::array<double, 2> saves = {};
    std::vector<double> level_loss = {};
  };
  enum class Gradient { kForAllRanks, kForThisRank };
  StepSums forward_backward(const TrainingData::Step& step, Gradient gradient);
  void sum_over_ranks(StepSums& sums);
  void trace_not_finite(StepReport& report, const TrainingData::Step& step, bool is_own_loss_bad,
                        const StepSums& sums);
  void update(double learning_rate, double grad_norm);
  void finish_report(StepReport& report);
  [[noreturn]] void give_up(const TrainState& state, const StepReport& report,
                            const TrainerHooks& hooks);
  bool validate(TrainState& state, const TrainerHooks& hooks);

  IdModel& model_;
  AdamW& optimizer_;
  GradientReducer& reducer_;
  TrainingData& data_;
  const ids::IdTable& table_;
  Communicator& comm_;
  TrainerOptions options_;
  ModelFlops flops_;
  bool gradients_are_zero_ = false;
};

}  // namespace tutti::trainer
