#include "launch/train/resuming.h"

#include <filesystem>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

// What a run did that is older than the option.
nlohmann::json before_options() {
  return {{"dropout", 0.0},     {"text-rows", "dense"}, {"prompt", ""},
          {"thaw-at", 0},       {"request-share", 0.0}, {"lora-rank", 0},
          {"lora-alpha", 16.0}, {"lora-targets", "all"}};
}

}  // namespace

std::optional<checkpoints::Checkpoint> checkpoint_to_resume(const std::string& out,
                                                            const std::string& resume) {
  namespace fs = std::filesystem;
  const checkpoints::CheckpointStore store(out);
  const std::vector<int64_t> steps = store.steps();
  if (resume == kNever || (resume == kAuto && steps.empty())) return std::nullopt;
  if (resume == kAuto) return checkpoints::open_checkpoint(out);
  checkpoints::Checkpoint found = checkpoints::open_checkpoint(resume);
  // What comes behind it in --out would be taken for the newest the next time.
  const int64_t step = found.state.value("step", int64_t{0});
  if (!steps.empty() && (steps.back() > step || !fs::exists(store.path_of(step)))) {
    throw UsageError(Problem{out, "--resume", fmt::format("the checkpoint of step {}", step),
                             fmt::format("the newest of --out, step {}", steps.back()),
                             "train into another --out to go on from an earlier one"});
  }
  return found;
}

nlohmann::json what_makes_a_run(nlohmann::json resolved) {
  for (const char* key : {"dataset",
                          "ids",
                          "requests",  // the state holds the templates
                          "out",
                          "base",
                          "warm-start",
                          "encoder",
                          "vocabulary",
                          "title-states",
                          "resume",
                          "overwrite",
                          "threads",
                          "device",
                          "report-every",
                          "bucket-kib",
                          "zero",
                          "config",
                          "commit",
                          "stage",
                          "preflight",
                          "watchdog",
                          "silence-limit",
                          "start-limit",
                          "first-step-limit",
                          "step-limit",
                          "checkpoint-limit",
                          "validation-limit",
                          "time-limit"})
    resolved.erase(key);
  return resolved;
}

void require_same_run(const checkpoints::Checkpoint& last, const nlohmann::json& now,
                      const std::vector<std::string>& requests) {
  constexpr const char* kCure = "resume with the run's own value, or train into another --out";
  nlohmann::json before = before_options();
  before.update(last.state.value("train", nlohmann::json::object()));
  // Before there was --rate, an encoder alone had one of its own: a tenth, as now.
  if (!before.contains("rate") && before.value("encoder-rate", 0.1) == 0.1)
    before["rate"] = now.at("rate");
  for (const char* key : {"seed", "titles-per-step", "weight", "group", "group-cap", "softmax",
                          "train", "dropout", "text-rows", "prompt", "rate", "thaw-at",
                          "request-share", "lora-rank", "lora-alpha", "lora-targets"}) {
    const nlohmann::json was = before.value(key, nlohmann::json());
    if (was != now.at(key)) {
      throw UsageError(Problem{last.path.string(), fmt::format("--{}", key), now.at(key).dump(),
                               was.dump(), kCure});
    }
  }
  const auto templates = last.state.value("requests", std::vector<std::string>{});
  if (templates == requests) return;
  throw UsageError(Problem{
      last.path.string(), "--requests", fmt::format("{} templates, other ones", requests.size()),
      fmt::format("the {} that the run has had so far", templates.size()), kCure});
}

}  // namespace tutti::launch
