#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>

#include "dist/communicator.h"
#include "dist/runtime/errors.h"

namespace tutti::launch {

// OUT/exit.json: how the last start of a run ended, for the scripts that start it, because
// launchers put codes of their own in place of the program's (137, 143, 205, 1). Made when a run
// starts, so that one that is killed leaves "running".
//
// A rank that was frozen or cut off may come to its end when the run has long been started again.
// Each start has a word of its own, and a rank speaks only over the record of its own start: never
// over that of a later one, nor where there is none any more.
class ExitRecord {
 public:
  ExitRecord(std::filesystem::path run, int rank, int world_size);

  // The run begins: rank 0 writes "running". Collective. Before it, the record is another job's.
  void begin(Communicator& comm, int64_t step);

  // `reason`: one word of "done", "no-longer-better", "signal 10", "time-limit", "stop-file",
  // "error"; `step`: the last one done. Never throws: it is the last thing a rank does.
  void write(int code, const std::string& reason, int64_t step,
             const std::string& message = "") const noexcept;

  // Does the work; what it throws is recorded with the step that it had come to, and thrown on.
  template <typename Step, typename Work>
  auto guard(const Step& step, const Work& work) const {
    try {
      return work();
    } catch (const Error& error) {
      write(static_cast<int>(error.code()), "error", step(), error.what());
      throw;
    } catch (const std::exception& error) {
      write(static_cast<int>(ExitCode::kBug), "error", step(), error.what());
      throw;
    }
  }

 private:
  void replace(int code, const std::string& reason, int64_t step, const std::string& message) const;
  bool is_of_this_start() const;

  std::filesystem::path run_;
  int rank_, world_size_;
  std::string start_;  // the word; empty before begin()
};

}  // namespace tutti::launch
