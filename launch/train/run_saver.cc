#include "launch/train/run_saver.h"

#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/together.h"
#include "trainer/model_io.h"

namespace tutti::launch {
namespace {

// In the run folder, and under the same name in its checkpoints.
constexpr const char* kFrozenFile = "model-frozen.safetensors";

}  // namespace

RunSaver::RunSaver(std::filesystem::path out, Keeping keeping, Common common,
                   const trainer::IdModel& model, const trainer::AdamW& optimizer,
                   Communicator& comm)
    : out_(std::move(out)),
      keeping_(keeping),
      common_(std::move(common)),
      model_(model),
      optimizer_(optimizer),
      comm_(comm),
      store_(out_, keeping.commit) {
  run_together(comm_, [this] {
    if (comm_.is_root()) write_frozen();
  });
}

// Anew for each job: then it holds what this job's model holds. Checkpoints of earlier jobs keep
// the file that they link to.
void RunSaver::write_frozen() {
  namespace fs = std::filesystem;
  const std::vector<checkpoints::NamedTensor> frozen = trainer::frozen_as_tensors(model_);
  if (frozen.empty()) return;
  const fs::path path = out_ / kFrozenFile, fresh = out_ / fmt::format(".{}.tmp", kFrozenFile);
  checkpoints::write_safetensors(fresh, frozen, {{"format", "pt"}});
  checkpoints::CheckpointStore::LinkedFile file = {
      .path = path,
      .entry = {static_cast<int64_t>(fs::file_size(fresh)), sha256_of_file(fresh)},
      .num_tensors = std::ssize(frozen)};
  for (const checkpoints::NamedTensor& tensor : frozen)
    file.num_parameters += tensor.num_elements();
  std::error_code error;
  fs::rename(fresh, path, error);
  if (error) {
    throw StorageError(Problem{.file = path.string(),
                               .place = {},
                               .found = "cannot be renamed to: " + error.message(),
                               .expected = {},
                               .cure = "check permissions and free space"});
  }
  linked_[kFrozenFile] = std::move(file);
}

checkpoints::CheckpointStore::Common RunSaver::common_of(const trainer::TrainState& state) const {
  nlohmann::json document = common_.state;
  document["step"] = state.step;
  document["progress"] = trainer::to_json(state);
  return {.state = std::move(document),
          .files = common_.files,
          .made_from = common_.made_from,
          .linked = linked_};
}

template <typename Work>
void RunSaver::in_background(Work work) {
  outcome_ = Outcome::kOpen;
  work_ = std::async(std::launch::async, [this, work = std::move(work)] {
    try {
      work();
      outcome_ = Outcome::kDone;
    } catch (...) {
      outcome_ = Outcome::kFailed;
      throw;
    }
  });
}

void RunSaver::start(const trainer::TrainState& state) {
  finish();
  std::string staging;
  run_together(comm_, [&] {
    if (comm_.is_root()) staging = store_.begin(state.step).string();
  });
  int64_t length = std::ssize(staging);
  comm_.broadcast(&length, sizeof(length), 0);
  staging.resize(static_cast<size_t>(length));
  comm_.broadcast(staging.data(), length, 0);
  if (staging.empty()) return;  // it is there

  const int rank = comm_.rank(), size = comm_.size();
  copy_ = std::make_unique<checkpoints::ShardCopy>(checkpoints::Shard{
      .rank = rank,
      .num_ranks = size,
      .model = checkpoints::share_of(trainer::trained_as_tensors(model_), rank, size),
      .optimizer = trainer::optimizer_as_slices(optimizer_, rank, size)});
  saved_ = common_of(state);
  phase_ = Phase::kWriting;
  in_background(
      [this, staging] { checkpoints::CheckpointStore::write_shard(staging, copy_->shard()); });
}

RunSaver::Progress RunSaver::progress() const {
  if (phase_ == Phase::kIdle) return {0, 0};
  const Outcome outcome = outcome_;
  return {phase_ == Phase::kWriting && outcome == Outcome::kDone ? 1.0 : 0.0,
          outcome == Outcome::kFailed ? 1.0 : 0.0};
}

void RunSaver::agree(const Progress& sum) {
  if (sum[1] > 0) finish();
  if (phase_ != Phase::kWriting || sum[0] < comm_.size()) return;
  work_.get();
  copy_.reset();
  phase_ = Phase::kCommitting;
  if (comm_.is_root()) in_background([this] { commit(); });
}

void RunSaver::commit() {
  store_.commit(saved_, comm_.size(), keeping_.number);
}

void RunSaver::finish() {
  if (phase_ == Phase::kIdle) return;
  const bool is_written = phase_ == Phase::kCommitting;
  phase_ = Phase::kIdle;
  run_together(comm_, [this] {
    if (work_.valid()) work_.get();
  });
  copy_.reset();
  if (is_written) return;
  run_together(comm_, [this] {
    if (comm_.is_root()) commit();
  });
}

void RunSaver::save_best(const trainer::TrainState& state) {
  run_together(comm_, [&] {
    if (!comm_.is_root()) return;
    checkpoints::CheckpointStore::Common common = common_of(state);
    checkpoints::CheckpointStore(out_ / "best", keeping_.commit)
        .save(state.step,
              {.model = trainer::trained_as_tensors(model_),
               .optimizer = {},
               .state = std::move(common.state),
               .files = std::move(common.files),
               .made_from = std::move(common.made_from),
               .linked = std::move(common.linked)},
              /*keep=*/1);
  });
}

}  // namespace tutti::launch
