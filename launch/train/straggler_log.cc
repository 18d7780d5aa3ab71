#include "launch/train/straggler_log.h"

#include <array>

#include <fmt/format.h>

#include "dist/runtime/log.h"

namespace tutti::launch {
namespace {

constexpr int64_t kSayAgainAfter = 1000;  // steps

}  // namespace

StragglerLog::StragglerLog(Communicator& comm, const trainer::RunFolder* folder) : folder_(folder) {
  if (comm.size() > 1) watch_.emplace(comm, std::vector<std::string>{"data", "model", "update"});
}

void StragglerLog::step(const trainer::StepReport& report) {
  if (!watch_) return;
  const std::array times = {report.data_ms, report.model_ms, report.update_ms};
  const std::vector<Straggler> found = watch_->note(times);
  if (folder_ == nullptr) return;
  for (const Straggler& s : found) {
    folder_->append({{"event", "straggler"},
                     {"step", report.step},
                     {"rank", s.rank},
                     {"host", s.host},
                     {"phase", s.phase},
                     {"ms", s.ms},
                     {"median_ms", s.median_ms}});
    const auto [said, is_new] = last_said_.try_emplace({s.rank, s.phase}, report.step);
    if (!is_new && report.step - said->second < kSayAgainAfter) continue;
    said->second = report.step;
    log::warn(
        fmt::format("step {}: rank {} on {} is slow: {} takes {:.1f} ms a step, {:.1f} x the "
                    "median rank's",
                    report.step, s.rank, s.host, s.phase, s.ms, s.ms / s.median_ms));
  }
}

}  // namespace tutti::launch
