#pragma once

#include <string>
#include <vector>

#include "dist/communicator.h"

namespace tutti::launch {

// The command line without the program's name: finds the subcommand and runs it, or prints the
// overview (--help, or nothing at all) or the version. UsageError with the nearest known name when
// there is no such command.
int run_front(const std::vector<std::string>& args, Communicator& comm);

}  // namespace tutti::launch
