#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "dist/stop_flag.h"
#include "launch/options.h"
#include "trainer/step_report.h"

namespace tutti::launch {

// When a run should end before its last step.
struct StopArgs {
  std::string time_limit = "auto";
  std::optional<std::chrono::milliseconds> limit;  // from the start of the program; none: no limit
};

void declare(Options& options, StopArgs& a);
// Reads the limit; "auto" asks Slurm's environment (SLURM_JOB_END_TIME) for it.
void check(StopArgs& a);

// Whoever makes this file in a run's folder wants the run to stop.
std::filesystem::path stop_file_of(const std::filesystem::path& out);

// The wishes to stop that this rank knows of. The trainer adds those of all ranks in each step.
class StopWish {
 public:
  // `stop_file`: looked for once a second; only on the rank that is given one.
  StopWish(const StopArgs& args, std::optional<std::filesystem::path> stop_file);

  // Asked once a step. Why to stop ("signal 10", "time-limit", "stop-file"); empty: go on.
  std::string reason();

  // Takes note of how long steps and checkpoints take, which must fit into what time is left.
  void note_step(const trainer::StepReport& report);
  void note_checkpoint(std::chrono::milliseconds took);

 private:
  using Clock = std::chrono::steady_clock;
  bool is_time_up() const;
  bool is_file_there();

  StopFlag signals_;
  std::optional<std::chrono::milliseconds> limit_;
  std::optional<std::filesystem::path> stop_file_;
  Clock::time_point next_look_ = Clock::now();
  std::chrono::milliseconds longest_step_{0}, longest_checkpoint_{0};
};

}  // namespace tutti::launch
