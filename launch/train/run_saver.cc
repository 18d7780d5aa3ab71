#include "launch/train/run_saver.h"

#include <utility>

#include "trainer/model_io.h"

namespace tutti::launch {

RunSaver::RunSaver(std::filesystem::path out, int keep, Common common,
                   const trainer::IdModel& model, const trainer::AdamW& optimizer,
                   trainer::GradientReducer& reducer, Communicator& comm)
    : out_(std::move(out)),
      keep_(keep),
      common_(std::move(common)),
      model_(model),
      optimizer_(optimizer),
      reducer_(reducer),
      comm_(comm) {}

checkpoints::CheckpointStore::Content RunSaver::content(const trainer::TrainState& state) const {
  nlohmann::json document = common_.state;
  document["step"] = state.step;
  document["progress"] = trainer::to_json(state);
  return {.model = trainer::parameters_as_tensors(model_),
          .optimizer = {},
          .state = std::move(document),
          .files = common_.files,
          .made_from = common_.made_from};
}

void RunSaver::save(const trainer::TrainState& state) {
  // Each rank may hold a part of the moments only.
  const at::Tensor moment1 = reducer_.gather(optimizer_.moment1());
  const at::Tensor moment2 = reducer_.gather(optimizer_.moment2());
  if (!comm_.is_root()) return;
  auto whole = content(state);
  whole.optimizer = trainer::optimizer_as_tensors(moment1, moment2);
  for (const auto& tensor : trainer::row_state_as_tensors(optimizer_)) {
    whole.optimizer.push_back(tensor);
  }
  checkpoints::CheckpointStore(out_).save(state.step, whole, keep_);
}

void RunSaver::save_best(const trainer::TrainState& state) {
  if (comm_.is_root())
    checkpoints::CheckpointStore(out_ / "best").save(state.step, content(state), /*keep=*/1);
}

}  // namespace tutti::launch
