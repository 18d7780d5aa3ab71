#include "launch/train/start_options.h"

#include <array>

#include <fmt/format.h>

#include "dist/local_copy.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "launch/preflight/checks.h"

namespace tutti::launch {
namespace {

constexpr int64_t kBucketBytes = int64_t{1} << 20;
constexpr double kSeconds = 0.1;

}  // namespace

void declare(Options& options, StartArgs& a) {
  options
      .add("stage", &a.stage,
           "folder on a disk of each node: the dataset is copied there, once a node, every byte "
           "checked, and read from there; the copy stays")
      .add("preflight", &a.preflight,
           "before the first step: can all ranks write, does a checkpoint fit, are sums over the "
           "ranks right, is one slow (`tutti preflight` checks more)");
}

data::Dataset open_dataset(const std::string& path, const StartArgs& a, Communicator& comm) {
  data::Dataset dataset = data::Dataset::open(path);
  if (a.stage.empty()) return dataset;
  return data::Dataset::open(copy_to_each_node(comm, path, dataset.manifest(), a.stage));
}

nlohmann::json check_at_start(const StartArgs& a, const std::filesystem::path& out,
                              int64_t checkpoint_bytes, Communicator& comm) {
  if (!a.preflight) return nullptr;
  const std::array results = {check_storage(comm, out, checkpoint_bytes >> 20),
                              check_all_reduce(comm, kBucketBytes, 0, kSeconds), check_speed(comm)};
  nlohmann::json document = nlohmann::json::array();
  for (const CheckResult& result : results) {
    document.push_back({{"name", result.name},
                        {"problem", result.problem},
                        {"measured", result.measured},
                        {"ranks", result.ranks}});
    if (result.problem.empty()) continue;
    const std::string line = fmt::format("{}: {}", result.name, result.problem);
    if (&result != &results.back())
      throw Error(result.code, line + "; `tutti preflight` says more");
    if (comm.is_root()) log::warn(line);
  }
  return document;
}

}  // namespace tutti::launch
