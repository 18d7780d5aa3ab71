#include "trainer/step_report.h"

#include <chrono>
#include <ctime>

namespace tutti::trainer {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double process_cpu_ms() {
  timespec spent{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return 1e3 * static_cast<double>(spent.tv_sec) + 1e-6 * static_cast<double>(spent.tv_nsec);
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
      {"cpu_ms", r.cpu_ms},
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
  cpu_at_start_ms_ = process_cpu_ms();
}

double StepClock::cpu_ms() const {
  return process_cpu_ms() - cpu_at_start_ms_;
}

double StepClock::lap_ms() {
  const double now = now_ms();
  const double lap = now - last_ms_;
  last_ms_ = now;
  return lap;
}

}  // namespace tutti::trainer
