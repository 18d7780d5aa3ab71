#include "dist/launcher.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti {
namespace {

bool is_set(const char* variable) {
  return std::getenv(variable) != nullptr;
}

// 0 when unset or not a number.
int number(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return 0;
  const std::string_view text = value;
  int result = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), result);
  return problem == std::errc() && end == text.data() + text.size() ? result : 0;
}

}  // namespace

std::optional<Launcher> detect_launcher() {
  // mpirun's own variables first: under Slurm, mpirun starts its daemons through srun, and the
  // tasks inherit variables that count daemons.
  if (is_set("OMPI_COMM_WORLD_SIZE")) {
    return Launcher{"OMPI_COMM_WORLD_SIZE", number("OMPI_COMM_WORLD_SIZE")};
  }
  if (is_set("PMI_RANK")) return Launcher{"PMI_SIZE", number("PMI_SIZE")};
  // A batch script has SLURM_PROCID and SLURM_NTASKS too, but no step: it is one process.
  const bool in_step = is_set("SLURM_STEP_ID") && is_set("SLURM_PROCID");
  const int step_tasks = in_step ? number("SLURM_NTASKS") : 0;
  if (is_set("PMIX_RANK"))
    return Launcher{step_tasks > 0 ? "SLURM_NTASKS" : "PMIX_RANK", step_tasks};
  if (step_tasks > 1) return Launcher{"SLURM_NTASKS", step_tasks};
  return std::nullopt;
}

void refuse_singleton(const std::optional<Launcher>& launcher, int mpi_size) {
  if (!launcher || launcher->num_tasks <= 1 || mpi_size != 1) return;
  throw UsageError(Problem{
      .file = "",
      .place = "MPI",
      .found = fmt::format("{}={} but a world of size 1", launcher->variable, launcher->num_tasks),
      .expected = fmt::format("{} ranks", launcher->num_tasks),
      .cure = "start with the mpirun of the MPI that tutti was built with, or with "
              "`srun --mpi=pmix` (`srun --mpi=list` shows what Slurm offers)"});
}

}  // namespace tutti
