#pragma once

#include <optional>
#include <string>

namespace tutti {

// The program that started this process as one task of a job, from its environment variables.
struct Launcher {
  std::string variable;  // the variable that gave it away
  int num_tasks = 0;     // 0 when the environment does not say
};

// mpirun (Open MPI, MPICH, PMIx) or srun. Nothing for a plain process, for `srun -n 1`, and inside
// a batch script or an allocation that no srun step runs in.
std::optional<Launcher> detect_launcher();

// UsageError when the launcher started several tasks and MPI sees only this one: the program was
// built for another MPI than the launcher's, and every task would do the whole job by itself.
void refuse_singleton(const std::optional<Launcher>& launcher, int mpi_size);

}  // namespace tutti
