#pragma once

#include <cstdint>
#include <memory>

#include "dist/communicator.h"

namespace tutti {

struct MpiOptions {
  // A collective on more bytes is cut into several calls: MPI counts are 32-bit ints, and the
  // scratch memory of a float sum is one chunk. Results do not depend on it. Tests set it low.
  int64_t max_chunk_bytes = int64_t{1} << 26;
};

// As make_mpi_communicator(). A second communicator in one process shares the world of the first
// and must be destroyed before it.
std::unique_ptr<Communicator> make_mpi_communicator(const MpiOptions& options);

}  // namespace tutti
