#pragma once

#include <functional>

#include "dist/communicator.h"

namespace tutti {

// Runs work that makes no collective calls on every rank, and lets all ranks fail when one does:
// each throws the error of the lowest rank that failed, so that none waits for it in a later
// collective and all clean up. Collective.
void run_together(Communicator& comm, const std::function<void()>& work);

}  // namespace tutti
