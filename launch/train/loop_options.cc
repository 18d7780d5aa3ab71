#include "launch/train/loop_options.h"

#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, LoopArgs& a) {
  trainer::LearningRate& rate = a.trainer.learning_rate;
  options.add("steps", &rate.total_steps, "length of the run in optimizer steps")
      .add("titles-per-step", &a.titles_per_step, "playlists a step, over all ranks")
      .add("learning-rate", &rate.peak, "peak learning rate")
      .add("warmup-steps", &rate.warmup_steps, "linear warm-up")
      .add("schedule", &a.schedule, "constant | linear | cosine, after the warm-up")
      .add("weight-decay", &a.trainer.adamw.weight_decay, "AdamW, on matrices and embeddings")
      .add("clip-norm", &a.trainer.clip_norm, "bound on the gradient's norm; 0: none")
      .add("weight", &a.weight,
           "pair: each track counts the same | playlist: each playlist counts the same")
      .add("report-every", &a.trainer.report_every, "steps between reports in log.jsonl")
      .add("checkpoint-every", &a.trainer.checkpoint_every, "steps between checkpoints")
      .add("keep", &a.keep, "checkpoints to keep")
      .add("seed", &a.seed, "of initial weights and data order");
}

void check(LoopArgs& a) {
  require_at_least("--steps", a.trainer.learning_rate.total_steps, 1);
  require_at_least("--titles-per-step", a.titles_per_step, 1);
  require_at_least("--warmup-steps", a.trainer.learning_rate.warmup_steps, 0);
  require_at_least("--report-every", a.trainer.report_every, 1);
  require_at_least("--checkpoint-every", a.trainer.checkpoint_every, 1);
  require_at_least("--keep", a.keep, 1);
  require_one_of("--weight", a.weight, {"pair", "playlist"});
  a.trainer.learning_rate.schedule = trainer::schedule_from_name(a.schedule);
}

trainer::TrainingDataOptions LoopArgs::data_options() const {
  return {
      .titles_per_step = titles_per_step,
      .seed = seed,
      .weighting = weight == "pair" ? trainer::Weighting::kPair : trainer::Weighting::kPlaylist};
}

}  // namespace tutti::launch
