#include "launch/train/run_inputs.h"

#include <filesystem>
#include <utility>

#include "dist/agreement.h"
#include "dist/runtime/errors.h"
#include "launch/train/resuming.h"

namespace tutti::launch {
namespace {

void require_no_stop_file(const TrainArgs& a) {
  const std::filesystem::path file = stop_file_of(a.out);
  if (a.resume == kNever || !std::filesystem::exists(file)) return;
  throw UsageError(Problem{file.string(), "", "a stop file", "none",
                           "somebody wanted this run to stay stopped; remove it to go on"});
}

// Of what decides what rows the model has: the run that goes on, or the one that is started from.
nlohmann::json state_before(const TrainArgs& a,
                            const std::optional<checkpoints::Checkpoint>& last) {
  if (last) return last->state;
  if (a.model.warm_start.empty()) return nlohmann::json::object();
  return checkpoints::open_checkpoint(a.model.warm_start, false).state;
}

}  // namespace

RunInputs open_run_inputs(TrainArgs& a, const nlohmann::json& resolved, Communicator& comm) {
  RunInputs in{.dataset = open_dataset(a.dataset, a.start, comm), .ids = ids::read_id_table(a.ids)};
  require_made_from(a.ids, in.ids.manifest, "dataset", in.dataset.manifest());
  require_agreement(comm, {{"the program", hash_of_this_program()},
                           {"the options", resolved.dump()},
                           {"the dataset", in.dataset.manifest().hash},
                           {"the ID table", in.ids.manifest.hash}});
  require_no_stop_file(a);

  in.last = checkpoint_to_resume(a.out, a.resume);
  settle_text_rows(a.model, state_before(a, in.last));
  in.config = what_makes_a_run(resolved);
  in.config["text-rows"] = a.model.text_rows_name;
  if (!in.last) return in;

  require_made_from(in.last->path, in.last->manifest, "dataset", in.dataset.manifest());
  require_made_from(in.last->path, in.last->manifest, "id-table", in.ids.manifest);
  require_same_run(*in.last, in.config, a.loop.data.requests);
  in.is_thawed = a.model.thaw_at > 0 && in.first_step() >= a.model.thaw_at;
  if (in.is_thawed) {
    a.model.part = trainer::TrainedPart::kAll;
    a.loop.trainer.thaw_at = 0;
  }
  return in;
}

}  // namespace tutti::launch
