#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dist/communicator.h"

namespace tutti {

// What every rank must bring alike: a name for the reader and a text (a hash, say) to compare.
using Facts = std::vector<std::pair<std::string, std::string>>;

// Compares the facts of all ranks with those of rank 0, each by its SHA-256. UsageError on every
// rank, naming the first fact that differs, the first rank that brought another one, and both
// values. All ranks give the same names in the same order. Collective.
void require_agreement(Communicator& comm, const Facts& facts);

// The SHA-256 of the program that runs.
std::string hash_of_this_program();

}  // namespace tutti
