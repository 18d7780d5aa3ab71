#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace tutti {

// What a rank knows of itself before MPI has started, from the environment that its launcher made.
struct StartWatchOptions {
  std::filesystem::path folder;  // of this job on this node; empty: nobody watches
  int rank = 0, local_rank = 0;
  int local_size = 0;  // ranks of this node, 0 when it is not known
  std::chrono::milliseconds beat{1000}, silence{30'000}, limit{300'000};
  // From the watch's thread, once, with a line that names the lost rank; ends the process.
  std::function<void(const std::string&)> on_loss;

  // Those of this process, started as one of `num_tasks`. TUTTI_MPI_START_LIMIT sets the limit in
  // seconds.
  static StartWatchOptions from_environment(int num_tasks);
};

// Watches over the start of MPI, which waits for all ranks without end, and during which ranks have
// no way to speak to each other: each keeps a file in a folder of its node, and touches it. A rank
// of this node that stops touching its file is frozen; one that has no file when the limit is over
// has not come this far; when all of this node are there, the lost one is on another node, where it
// is named in the same way. Ends with code 4.
class StartWatch {
 public:
  explicit StartWatch(int num_tasks) : StartWatch(StartWatchOptions::from_environment(num_tasks)) {}
  explicit StartWatch(StartWatchOptions options);
  ~StartWatch();  // MPI has started
  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti
