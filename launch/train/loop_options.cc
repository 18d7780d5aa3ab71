#include "launch/train/loop_options.h"

#include <cmath>

#include <fmt/format.h>

#include "data/requests.h"
#include "dist/runtime/errors.h"
#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, LoopArgs& a) {
  trainer::LearningRate& rate = a.trainer.learning_rate;
  options.add("steps", &rate.total_steps, "length of the run in optimizer steps")
      .add("titles-per-step", &a.data.titles_per_step, "playlists a step, over all ranks")
      .add("learning-rate", &rate.peak,
           "peak learning rate; 0: 0.256 / width of the model (0.002 at --d-model 128)")
      .add("warmup-steps", &rate.warmup_steps, "linear warm-up")
      .add("schedule", &a.schedule, "after the warm-up: constant | linear | cosine | inverse-sqrt")
      .add("weight-decay", &a.trainer.adamw.weight_decay, "AdamW, on matrices and embeddings")
      .add("clip-norm", &a.trainer.clip_norm, "bound on the gradient's norm; 0: none")
      .add("weight", &a.weight,
           "pair: each track counts the same | playlist: each playlist counts the same")
      .add("group", &a.group,
           "playlist: one playlist, one group of targets | title: playlists of a step with one "
           "normalised title share a group")
      .add("group-cap", &a.data.group_cap,
           "most targets of a group, drawn anew each time and weighted up; 0: all")
      .add("request-share", &a.data.request_share,
           "share of the playlists whose title is put into a request (\"play me some {}\"), always "
           "the same one; their templates: data/requests.txt")
      .add("requests", &a.requests, "a file of further templates, of the same form")
      .add("micro-batch", &a.data.micro_batch,
           "most titles of a forward pass on a rank; gradients add up; 0: all of the step")
      .add("validate-every", &a.trainer.validate_every,
           "steps between validations: mean hits@10 on validation playlists; the best model is "
           "kept in OUT/best; 0: never")
      .add("validation-queries", &a.validation_queries,
           "validation playlists asked, at most: so many with seen titles, so many with unseen")
      .add("patience", &a.trainer.patience,
           "end the run after so many validations without a new best; 0: never")
      .add("non-finite", &a.non_finite,
           "a step whose loss or gradient is not finite: stop (exit code 6, with a checkpoint of "
           "the state before it) | skip")
      .add("non-finite-limit", &a.trainer.non_finite_limit,
           "skipped steps in a row at which the run stops after all")
      .add("report-every", &a.report_every,
           "steps between lines on the console; log.jsonl has every step")
      .add("checkpoint-every", &a.trainer.checkpoint_every, "steps between checkpoints")
      .add("keep", &a.keep, "checkpoints to keep, besides the best")
      .add("commit", &a.commit_name,
           "how a checkpoint appears: rename | marker: by its manifest, written last, on file "
           "systems that cannot rename a folder in one step")
      .add("seed", &a.seed, "of initial weights and data order");
}

void check(LoopArgs& a) {
  require_at_least("--steps", a.trainer.learning_rate.total_steps, 1);
  require_at_least("--titles-per-step", a.data.titles_per_step, 1);
  if (!(a.trainer.learning_rate.peak >= 0 && std::isfinite(a.trainer.learning_rate.peak))) {
    throw UsageError(Problem{"", "--learning-rate", fmt::format("{}", a.trainer.learning_rate.peak),
                             "a finite number of at least 0", ""});
  }
  require_at_least("--warmup-steps", a.trainer.learning_rate.warmup_steps, 0);
  require_at_least("--group-cap", a.data.group_cap, 0);
  require_at_least("--micro-batch", a.data.micro_batch, 0);
  require_at_least("--validate-every", a.trainer.validate_every, 0);
  require_at_least("--validation-queries", a.validation_queries, 1);
  require_at_least("--patience", a.trainer.patience, 0);
  require_at_least("--non-finite-limit", a.trainer.non_finite_limit, 1);
  require_at_least("--report-every", a.report_every, 1);
  require_at_least("--checkpoint-every", a.trainer.checkpoint_every, 1);
  require_at_least("--keep", a.keep, 1);
  require_one_of("--weight", a.weight, {"pair", "playlist"});
  require_one_of("--group", a.group, {"playlist", "title"});
  require_one_of("--commit", a.commit_name, {"rename", "marker"});
  require_one_of("--non-finite", a.non_finite, {"stop", "skip"});
  a.data.requests = data::training_requests(a.data.request_share, a.requests);
  if (a.trainer.patience > 0 && a.trainer.validate_every == 0) {
    throw UsageError(Problem{"", "--patience", std::to_string(a.trainer.patience),
                             "0 in a run that does not validate", "add --validate-every"});
  }
  a.trainer.learning_rate.schedule = trainer::schedule_from_name(a.schedule);
  a.trainer.non_finite =
      a.non_finite == "stop" ? trainer::NonFinite::kStop : trainer::NonFinite::kSkip;
  a.commit =
      a.commit_name == "marker" ? checkpoints::Commit::kMarker : checkpoints::Commit::kRename;
  a.data.seed = a.seed;
  a.data.packing.weighting =
      a.weight == "pair" ? trainer::Weighting::kPair : trainer::Weighting::kPlaylist;
  a.data.grouping = a.group == "title" ? trainer::Grouping::kTitle : trainer::Grouping::kPlaylist;
}

}  // namespace tutti::launch
