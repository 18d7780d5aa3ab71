#include "launch/train/train_log.h"

#include <cmath>
#include <string>

#include <fmt/format.h>

#include "dist/runtime/log.h"
#include "launch/progress.h"

namespace tutti::launch {

TrainLog::TrainLog(const trainer::RunFolder* folder, int64_t total_steps, int64_t report_every,
                   double peak_flops)
    : folder_(folder),
      total_steps_(total_steps),
      report_every_(report_every),
      peak_flops_(peak_flops) {}

void TrainLog::step(const trainer::StepReport& r) {
  if (folder_ == nullptr) return;
  folder_->append(trainer::to_json(r, peak_flops_));
  ++sums_.steps;
  sums_.pairs += r.pairs;
  sums_.nodes += r.nodes;
  sums_.flops += r.flops;
  sums_.imbalance += r.imbalance;
  sums_.step_ms += r.step_ms;
  sums_.data_ms += r.data_ms;
  sums_.exposed_ms += r.exposed_ms;
  sums_.hidden_ms += r.hidden_ms;
  if (r.skipped) {
    ++sums_.skipped;
    log::warn(
        fmt::format("step {}: loss {} and gradient norm {} are not finite, first in {}: no "
                    "update",
                    r.step, r.loss, r.grad_norm, r.not_finite));
  } else {
    sums_.loss += r.loss;
    sums_.level_loss.resize(r.level_loss.size(), 0.0);
    for (size_t level = 0; level < r.level_loss.size(); ++level)
      sums_.level_loss[level] += r.level_loss[level];
  }
  if (r.step % report_every_ == 0 || r.step == total_steps_) show(r);
}

void TrainLog::show(const trainer::StepReport& last) {
  const auto steps = static_cast<double>(sums_.steps);
  const auto updates = static_cast<double>(sums_.steps - sums_.skipped);
  const double seconds = sums_.step_ms / 1e3;
  // IDs that are text have many positions: the line has the first ones and the sum of the rest.
  constexpr size_t kShown = 6;
  std::string levels;
  double rest = 0;
  for (size_t level = 0; level < sums_.level_loss.size(); ++level) {
    const double loss = sums_.level_loss[level] / updates;
    if (level < kShown) levels += fmt::format("{}{:.2f}", level == 0 ? "" : " ", loss);
    if (level >= kShown) rest += loss;
  }
  if (sums_.level_loss.size() > kShown) levels += fmt::format(" and {:.2f}", rest);
  log::info(
      fmt::format("step {} of {}, epoch {:.2f}: loss {:.3f} ({}), gradient {:.2f}, rate {:.2e}, {} "
                  "pairs/s, {} nodes/s, {:.0f} % of peak; {:.1f} ms a step, data wait {:.2f}, "
                  "communication {:.2f} and {:.2f} hidden, imbalance {:.0f} %; {} MiB; {} left",
                  count_words(last.step), count_words(total_steps_), last.epoch,
                  sums_.loss / updates, levels, last.grad_norm, last.learning_rate,
                  count_words(std::llround(static_cast<double>(sums_.pairs) / seconds)),
                  count_words(std::llround(static_cast<double>(sums_.nodes) / seconds)),
                  1e2 * sums_.flops / seconds / peak_flops_, sums_.step_ms / steps,
                  sums_.data_ms / steps, sums_.exposed_ms / steps, sums_.hidden_ms / steps,
                  1e2 * sums_.imbalance / steps, last.peak_memory_bytes >> 20,
                  duration_words(seconds / steps * static_cast<double>(total_steps_ - last.step))));
  sums_ = {};
}

void TrainLog::validation(const trainer::TrainState& state, const trainer::Validation& validation) {
  if (folder_ == nullptr) return;
  folder_->append({{"event", "validation"},
                   {"step", state.step},
                   {"hits_at_10", validation.hits},
                   {"seen_hits_at_10", validation.seen_hits},
                   {"unseen_hits_at_10", validation.unseen_hits},
                   {"trie_nats", validation.trie_nats},
                   {"queries", validation.num_queries},
                   {"seconds", validation.seconds}});
  log::info(fmt::format(
      "validation at step {}: hits@10 {:.3f} (seen titles {:.3f}, unseen {:.3f}; {} playlists in "
      "{}){}",
      count_words(state.step), validation.hits, validation.seen_hits, validation.unseen_hits,
      count_words(validation.num_queries), duration_words(validation.seconds),
      validation.hits > state.best_hits ? ", the best so far"
                                        : fmt::format(", best {:.3f} at step {}", state.best_hits,
                                                      count_words(state.best_step))));
}

}  // namespace tutti::launch
