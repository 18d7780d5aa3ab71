#include "trainer/step_report.h"

#include <chrono>

namespace tutti::trainer {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

nlohmann::json to_json(const StepReport& r, double peak_flops) {
  const auto a_second = [&](double count) { return r.step_ms > 0 ? 1e3 * count / r.step_ms : 0; };
  nlohmann::json record = {
      {"event", "step"},
      {"step", r.step},
      {"epoch", r.epoch},
      {"loss", r.loss},
      {"level_loss", r.level_loss},
      {"grad_norm", r.grad_norm},
      {"learning_rate", r.learning_rate},
      {"skipped", r.skipped},
      {"pairs", r.pairs},
      {"nodes", r.nodes},
      {"tokens", r.tokens},
      {"pairs_per_s", a_second(static_cast<double>(r.pairs))},
      {"nodes_per_s", a_second(static_cast<double>(r.nodes))},
      {"tokens_per_s", a_second(static_cast<double>(r.tokens))},
      {"flops_per_s", a_second(r.flops)},
      {"peak_share", a_second(r.flops) / peak_flops},
      {"imbalance", r.imbalance},
      {"micro_batches", r.num_micro_batches},
      {"step_ms", r.step_ms},
      {"data_ms", r.data_ms},
      {"model_ms", r.model_ms},
      {"reduce_ms", r.reduce_ms},
      {"update_ms", r.update_ms},
      {"communication_exposed_ms", r.exposed_ms},
      {"communication_hidden_ms", r.hidden_ms},
      {"peak_memory_mib", static_cast<double>(r.peak_memory_bytes >> 10) / 1024.0}};
  if (r.skipped) {
    record["not_finite"] = r.not_finite;
    record["not_finite_phase"] = r.not_finite_phase;
    record["not_finite_rank"] = r.not_finite_rank;
  }
  return record;
}

void StepClock::start() {
  last_ms_ = now_ms();
}

double StepClock::lap_ms() {
  const double now = now_ms();
  const double lap = now - last_ms_;
  last_ms_ = now;
  return lap;
}

}  // namespace tutti::trainer
