#include "dist/single_copy.h"

#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace tutti {

bool can_read_other_process() {
  int there = 1, here = 0;
  // Yama, where it is there, lets a process read those only that agree; Open MPI agrees likewise.
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {  // nothing but system calls: other threads may have held locks
    const iovec to = {.iov_base = &here, .iov_len = sizeof here};
    const iovec from = {.iov_base = &there, .iov_len = sizeof there};
    const ssize_t num_read = ::process_vm_readv(parent, &to, 1, &from, 1, 0);
    ::_exit(num_read == static_cast<ssize_t>(sizeof here) && here == 1 ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void choose_single_copy() {
  constexpr const char* kMechanism = "OMPI_MCA_btl_vader_single_copy_mechanism";
  if (std::getenv(kMechanism) == nullptr && !can_read_other_process()) {
    ::setenv(kMechanism, "none", 0);
  }
}

}  // namespace tutti
