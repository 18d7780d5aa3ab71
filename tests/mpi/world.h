#pragma once

#include "dist/communicator.h"

namespace tutti::test {

// The ranks that run this test binary (main.cc makes it, see run_mpi.sh). All ranks run the same
// tests in the same order; a test must make the same calls on every rank also when it fails, so use
// EXPECT_..., and ASSERT_... only on values that are equal on all ranks.
Communicator& world();

}  // namespace tutti::test
