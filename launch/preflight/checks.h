#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "dist/runtime/errors.h"

namespace tutti::launch {

// One check of the machines that a run is about to use.
struct CheckResult {
  std::string name;
  ExitCode code = ExitCode::kDone;  // what a run would end with
  std::string problem;              // empty: none
  nlohmann::json measured;          // equal on all ranks
  std::vector<int> ranks;           // those to blame, where the check knows
};

// What each rank found, by rank; all ranks receive all. Collective, as the checks.
std::vector<nlohmann::json> gather_json(Communicator& comm, const nlohmann::json& mine);

// All ranks run the same program and see the same artefacts.
CheckResult check_same(Communicator& comm, const std::vector<std::filesystem::path>& artefacts);

// Every byte of the artefacts has the hash that their manifests say; the ranks share the files.
// Each rank must be able to open all of them.
CheckResult check_artefacts(Communicator& comm,
                            const std::vector<std::filesystem::path>& artefacts);

// Each rank can write below `out`, whose file system has this much left.
CheckResult check_storage(Communicator& comm, const std::filesystem::path& out, int64_t need_mib);

// Sums of floats over all ranks are right, and travel at `least_gb_per_s` or more (0: no matter).
// The rate is the bus bandwidth of NCCL's tests: bytes x 2 (n - 1) / n, a second.
CheckResult check_all_reduce(Communicator& comm, int64_t bucket_bytes, double least_gb_per_s,
                             double seconds = 2);

// No rank needs much longer than the others for the same arithmetic.
CheckResult check_speed(Communicator& comm);

}  // namespace tutti::launch
