#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "checkpoints/checkpoint_store.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/stop_flag.h"
#include "ids/id_table.h"
#include "launch/commands.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/train/compute_options.h"
#include "launch/train/distribution_options.h"
#include "launch/train/loop_options.h"
#include "launch/train/model_options.h"
#include "trainer/id_rows.h"
#include "trainer/model_io.h"
#include "trainer/run_folder.h"
#include "trainer/trainer.h"

namespace tutti::launch {
namespace {

struct TrainArgs {
  std::string dataset, ids, out;
  bool resume = false, overwrite = false;
  LoopArgs loop;
  ModelArgs model;
  ComputeArgs compute;
  DistributionArgs distribution;
};

Options declare(TrainArgs& a) {
  Options options("train",
                  "Trains a generator of track IDs on the titles of the training playlists, "
                  "data-parallel over all ranks.",
                  "mpirun -n 2 tutti train --dataset data --ids ids --out run --steps 5000 "
                  "--titles-per-step 8");
  options.require("dataset", &a.dataset, "dataset folder")
      .require("ids", &a.ids, "ID table folder, made from that dataset")
      .require("out", &a.out, "run folder: config.ini, log.jsonl, checkpoints/")
      .add("resume", &a.resume,
           "go on from the newest checkpoint in --out; starts from nothing when there is none")
      .add("overwrite", &a.overwrite, "replace the run in --out");
  declare(options, a.loop);
  declare(options, a.model);
  declare(options, a.compute);
  declare(options, a.distribution);
  return options;
}

void check(TrainArgs& a) {
  check(a.loop);
  check(a.model);
  check(a.compute);
  check(a.distribution);
  if (a.resume && a.overwrite)
    throw UsageError("--resume and --overwrite exclude each other; give one");
  a.loop.trainer.bucket_elements = a.distribution.bucket_kib * 1024 / int64_t{sizeof(float)};
}

// Rank 0 makes or reads the vocabulary, so that it exists once.
data::Tokenizer shared_tokenizer(const TrainArgs& a, const data::Dataset& dataset,
                                 Communicator& comm) {
  std::string bytes;
  if (comm.is_root()) {
    bytes = a.model.vocabulary.empty()
                ? trainer::train_title_vocabulary(
                      dataset, {.num_pieces = static_cast<int32_t>(a.model.vocabulary_size)})
                : data::Tokenizer::from_file(a.model.vocabulary).bytes();
  }
  int64_t size = std::ssize(bytes);
  comm.broadcast(&size, sizeof(size), 0);
  bytes.resize(size);
  comm.broadcast(bytes.data(), size, 0);
  return data::Tokenizer::from_bytes(std::move(bytes), "vocabulary");
}

// A run can only go on with what decides which samples a step holds.
void check_resumed(const nlohmann::json& before, const nlohmann::json& now,
                   const std::string& path) {
  for (const char* key : {"seed", "titles-per-step", "weight"}) {
    if (before.at(key) != now.at(key)) {
      throw UsageError(Problem{path, fmt::format("--{}", key), now.at(key).dump(),
                               before.at(key).dump(),
                               "resume with the run's own value, or train into another --out"});
    }
  }
}

nlohmann::json without_paths(nlohmann::json resolved) {
  for (const char* key : {"dataset", "ids", "out", "vocabulary", "resume", "overwrite", "threads",
                          "bucket-kib", "config"})
    resolved.erase(key);
  return resolved;
}

}  // namespace

int run_train(const std::vector<std::string>& args, Communicator& comm) {
  TrainArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check(a);
  at::set_num_threads(a.compute.threads);

  const data::Dataset dataset = data::Dataset::open(a.dataset);
  const ids::LoadedIdTable ids = ids::read_id_table(a.ids);
  require_made_from(a.ids, ids.manifest, "dataset", dataset.manifest());
  const nlohmann::json config = without_paths(options.resolved());

  // What is there to go on from; all ranks look, so that all agree.
  const checkpoints::CheckpointStore store(a.out);
  const bool resumed = a.resume && !store.steps().empty();
  std::optional<checkpoints::Checkpoint> last;
  if (resumed) {
    last = checkpoints::open_checkpoint(a.out);
    require_made_from(last->path, last->manifest, "dataset", dataset.manifest());
    require_made_from(last->path, last->manifest, "id-table", ids.manifest);
    check_resumed(last->state.at("train"), config, last->path.string());
  }
  const data::Tokenizer tokenizer =
      resumed ? data::Tokenizer::from_file((last->path / "spiece.model").string())
              : shared_tokenizer(a, dataset, comm);

  // After all that can be wrong with the input: nothing is left behind then.
  std::optional<trainer::RunFolder> run;
  if (comm.is_root()) {
    using Existing = trainer::RunFolder::Existing;
    run.emplace(a.out, a.resume      ? Existing::kResume
                       : a.overwrite ? Existing::kReplace
                                     : Existing::kRefuse);
    run->write_config(options.resolved_ini());
  }

  if (resumed) {
    a.model.t5 = trainer::t5_config_from_json(last->state.at("model"));
  } else {
    a.model.t5.text_rows = tokenizer.num_pieces();
    a.model.t5.id_tokens = ids.table.num_tokens();
  }
  trainer::T5Model model(a.model.t5);
  trainer::AdamW optimizer(model, a.loop.trainer.adamw);
  int64_t first_step = 0;
  if (resumed) {
    first_step = last->state.at("step").get<int64_t>();
    trainer::load_parameters(model, last->model);
    trainer::load_optimizer(
        optimizer, checkpoints::SafetensorsFile::open(last->path / "optimizer.safetensors"),
        first_step);
    if (run) run->truncate_log_after(first_step);
    log::info(fmt::format("resuming {} at step {}", last->path.string(), first_step));
  } else {
    model.initialize(a.loop.seed);
    if (a.model.start_ids == "codebook")
      trainer::start_id_rows_from_codebooks(model, ids.table, a.loop.seed);
  }

  trainer::TrainingData data(dataset, tokenizer, ids.table, a.loop.data_options());
  const int64_t total_steps = a.loop.trainer.learning_rate.total_steps;
  log::info(
      fmt::format("{} parameters, {} text pieces, {} ID tokens; {} training playlists, {:.2f} "
                  "epochs in {} steps of {} "
                  "titles; {} rank(s) x {} thread(s)",
                  count_words(model.num_parameters()), tokenizer.num_pieces(),
                  ids.table.num_tokens(), count_words(data.num_playlists()),
                  static_cast<double>(total_steps * a.loop.titles_per_step) /
                      static_cast<double>(data.num_playlists()),
                  total_steps, a.loop.titles_per_step, comm.size(), a.compute.threads));

  Progress progress("train", total_steps, "steps", ProgressView::of_process(comm));
  progress.set(first_step);
  StopFlag stop;
  const trainer::TrainerHooks hooks = {
      .report =
          [&](const trainer::StepReport& r) {
            progress.note(fmt::format("loss {:.3f}, {:.0f} pairs/s", r.loss, r.pairs_per_s));
            progress.set(r.step);
            if (run) run->append(r);
          },
      .checkpoint =
          [&](int64_t step) {
            if (!comm.is_root()) return;
            checkpoints::CheckpointStore(a.out).save(
                step,
                {.model = trainer::parameters_as_tensors(model),
                 .optimizer = trainer::optimizer_as_tensors(optimizer),
                 .state = {{"step", step},
                           {"softmax", "level"},
                           {"model", trainer::to_json(a.model.t5)},
                           {"train", config}},
                 .files = {{"spiece.model", tokenizer.bytes()}},
                 .made_from = {{"dataset", dataset.manifest().hash},
                               {"id-table", ids.manifest.hash}}},
                a.loop.keep);
          },
      .stop_requested = [&] { return stop.signal_here() != 0; }};
  const trainer::TrainEnd end =
      trainer::Trainer(model, optimizer, data, ids.table, comm, a.loop.trainer)
          .run(first_step, hooks);
  progress.finish();
  if (end == trainer::TrainEnd::kStopped) {
    log::info("stopped by a signal, checkpoint written; go on with --resume");
    return static_cast<int>(ExitCode::kStopped);
  }
  return 0;
}

}  // namespace tutti::launch
