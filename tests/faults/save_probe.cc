// save_probe RUN STEP RANKS KEEP rename|marker: saves a checkpoint of a small model as so many
// ranks would, one after the other. The values are those of STEP, so that a reader can tell a
// mixture.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"

namespace {

using namespace tutti::checkpoints;

int save(const std::string& run, int64_t step, int num_ranks, int keep, Commit how) {
  const std::vector<float> values(64, static_cast<float>(step));
  std::vector<NamedTensor> model;
  for (const char* name : {"a", "b", "c"})
    model.push_back({name, TensorType::kF32, {8, 8}, values.data()});
  CheckpointStore store(run, how);
  const auto staging = store.begin(step);
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int64_t part = 64 / num_ranks;
    CheckpointStore::write_shard(
        staging, {.rank = rank,
                  .num_ranks = num_ranks,
                  .model = share_of(model, rank, num_ranks),
                  .optimizer = {{.whole = {"exp_avg", TensorType::kF32, {64}, values.data()},
                                 .first = rank * part,
                                 .count = part}}});
  }
  store.commit({.state = {{"step", step}}, .files = {{"spiece.model", "p"}}, .made_from = {}},
               num_ranks, keep);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  try {
    return save(argv[1], std::atoll(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]),
                std::string(argv[5]) == "marker" ? Commit::kMarker : Commit::kRename);
  } catch (const tutti::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
}
