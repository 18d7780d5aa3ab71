#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "dist/communicator.h"
#include "dist/stragglers.h"
#include "trainer/run_folder.h"
#include "trainer/step_report.h"

namespace tutti::launch {

// Names ranks that are much slower than the others: in each window a record of log.jsonl
// ("straggler"), on the console once, and again when it has lasted for long.
class StragglerLog {
 public:
  // `folder`: of rank 0; null elsewhere. Collective, as step().
  StragglerLog(Communicator& comm, const trainer::RunFolder* folder);
  void step(const trainer::StepReport& report);

 private:
  const trainer::RunFolder* folder_;
  std::optional<StragglerWatch> watch_;                       // none with one rank
  std::map<std::pair<int, std::string>, int64_t> last_said_;  // rank and phase: step
};

}  // namespace tutti::launch
