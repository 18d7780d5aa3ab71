#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "launch/options.h"

namespace tutti::launch {

// What happens before the first step.
struct StartArgs {
  std::string stage;
  bool preflight = true;
};

void declare(Options& options, StartArgs& a);

// The dataset, or its copy on this node's disk (--stage). Collective.
data::Dataset open_dataset(const std::string& path, const StartArgs& a, Communicator& comm);

// The short form of `tutti preflight`, in well under a second: each rank can write below `out` and
// a checkpoint of `checkpoint_bytes` fits, sums over all ranks are right. A slow rank is a warning
// only, since others may use the machine at start-up. Gives back what was measured; null without
// --preflight. Throws on all ranks what the run would end with. Collective.
nlohmann::json check_at_start(const StartArgs& a, const std::filesystem::path& out,
                              int64_t checkpoint_bytes, Communicator& comm);

}  // namespace tutti::launch
