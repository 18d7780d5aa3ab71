#include "launch/train/run_watch.h"

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"

namespace tutti::launch {

RunWatch::RunWatch(const std::filesystem::path& out, const WatchArgs& a, Communicator& comm)
    : record_(out, comm.rank(), comm.size()), is_root_(comm.is_root()) {
  if (!a.watchdog) return;
  watchdog_.emplace(comm, a.limits, [this, &comm](const std::string& loss) {
    const int code = static_cast<int>(ExitCode::kPeerLost);
    log::error(loss);
    if (const int64_t step = last_step_; step != kNotOurs) record_.write(code, "error", step, loss);
    comm.abort(code);
  });
}

void RunWatch::begin(Communicator& comm, int64_t step) {
  record_.begin(comm, step);
  last_step_ = step;
}

void RunWatch::enter(Watchdog::Phase phase, int64_t step) {
  if (watchdog_) watchdog_->enter(phase, step);
}

void RunWatch::end(int code, const std::string& reason) {
  if (is_root_) record_.write(code, reason, last_step_);
}

}  // namespace tutti::launch
