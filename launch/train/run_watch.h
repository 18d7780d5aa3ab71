#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "dist/communicator.h"
#include "dist/watchdog.h"
#include "launch/train/exit_record.h"
#include "launch/train/watch_options.h"

namespace tutti::launch {

// How far a run has come, for those who watch it: the other ranks, by the watchdog, which ends the
// job when one of them is lost, and the scripts that started the run, by its exit.json.
class RunWatch {
 public:
  // Collective. `out`: the run folder; nothing is written before begin() or a loss behind it.
  RunWatch(const std::filesystem::path& out, const WatchArgs& a, Communicator& comm);

  // The run is this job's: it has come to this step. Its folder is there. Collective.
  void begin(Communicator& comm, int64_t step);
  // This rank begins a phase of the run, whose limit counts from here.
  void enter(Watchdog::Phase phase, int64_t step);
  void step_done(int64_t step) { last_step_ = step; }
  int64_t last_step() const { return last_step_; }

  // Does the work; what it throws is recorded with the step that it had come to, and thrown on.
  template <typename Work>
  auto guard(const Work& work) const {
    return record_.guard([this] { return last_step_.load(); }, work);
  }
  // The run ended well, or by its own decision, see ExitRecord::write(). On rank 0.
  void end(int code, const std::string& reason);

 private:
  static constexpr int64_t kNotOurs = -1;

  ExitRecord record_;
  bool is_root_;
  std::atomic<int64_t> last_step_ = kNotOurs;
  std::optional<Watchdog> watchdog_;  // last: its thread uses what is above
};

}  // namespace tutti::launch
