#include "trainer/baselines/bi_encoder_checkpoints.h"

#include <system_error>
#include <utility>
#include <vector>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;
using checkpoints::NamedTensor;

constexpr auto kFloat = checkpoints::TensorType::kF32;
constexpr int kKept = 2;

fs::path beside(fs::path out) {
  if (!out.has_filename()) out = out.parent_path();  // "bi/"
  return out += ".training";
}

NamedTensor flat(std::string name, const at::Tensor& t) {
  return {.name = std::move(name),
          .type = kFloat,
          .shape = {t.numel()},
          .data = t.const_data_ptr<float>()};
}

}  // namespace

BiEncoderCheckpoints::BiEncoderCheckpoints(const fs::path& out, nlohmann::json config,
                                           std::map<std::string, std::string> made_from)
    : folder_(beside(out)), config_(std::move(config)), made_from_(std::move(made_from)) {}

bool BiEncoderCheckpoints::any() const {
  return !checkpoints::CheckpointStore(folder_).steps().empty();
}

void BiEncoderCheckpoints::lock() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw StorageError(Problem{folder_.string(), "", error.message(), "a folder to write into",
                               "check permissions and free space"});
  }
  lock_ = std::make_unique<FolderLock>(folder_);
}

void BiEncoderCheckpoints::save(int64_t step, const BiEncoder& encoder,
                                const BiEncoderTrainer& trainer) const {
  std::vector<NamedTensor> model;
  for (const Parameter& p : encoder.store().all()) {
    model.push_back({.name = p.name,
                     .type = kFloat,
                     .shape = p.shape,
                     .data = p.value.const_data_ptr<float>()});
  }
  const auto [moment1, moment2] = trainer.moments();
  checkpoints::CheckpointStore(folder_).save(
      step,
      {.model = std::move(model),
       .optimizer = {flat("exp_avg", moment1), flat("exp_avg_sq", moment2)},
       .state = {{"step", step}, {"train-biencoder", config_}},
       .files = {},
       .made_from = made_from_},
      kKept);
}

int64_t BiEncoderCheckpoints::load(BiEncoder& encoder, BiEncoderTrainer& trainer) const {
  const checkpoints::Checkpoint last = checkpoints::open_checkpoint(folder_);
  for (const auto& [role, hash] : made_from_) {
    const auto was = last.manifest.made_from.find(role);
    if (was != last.manifest.made_from.end() && was->second == hash) continue;
    throw DataError(Problem{
        last.path.string(), "", "a checkpoint of another " + role, role + " " + hash.substr(0, 12),
        "go on with the data it was made from, or begin anew with --overwrite"});
  }
  const nlohmann::json before = last.state.value("train-biencoder", nlohmann::json::object());
  for (const auto& [key, now] : config_.items()) {
    const nlohmann::json was = before.value(key, nlohmann::json());
    if (was == now) continue;
    throw UsageError(Problem{last.path.string(), "--" + key, now.dump(), was.dump(),
                             "resume with the same options, or begin anew with --overwrite"});
  }
  for (const Parameter& p : encoder.store().all()) {
    last.model.copy(p.name, kFloat, p.shape, 0, p.value.numel(), p.value.mutable_data_ptr<float>());
  }
  const checkpoints::ShardedTensors optimizer = last.optimizer();
  const auto [moment1, moment2] = trainer.moments();
  for (const auto& [name, moment] : {std::pair("exp_avg", moment1), {"exp_avg_sq", moment2}}) {
    const std::vector<int64_t> shape = {moment.numel()};
    optimizer.copy(name, kFloat, shape, 0, moment.numel(), moment.mutable_data_ptr<float>());
  }
  return last.state.at("step").get<int64_t>();
}

void BiEncoderCheckpoints::done() {
  lock_.reset();
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) {
    throw StorageError(
        Problem{folder_.string(), "", error.message(), "a folder to delete", "delete it by hand"});
  }
}

}  // namespace tutti::trainer
