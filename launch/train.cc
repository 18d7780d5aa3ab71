#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "checkpoints/checkpoint_store.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/agreement.h"
#include "dist/nccl_communicator.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/log.h"
#include "dist/runtime/memory.h"
#include "ids/gemm_probe.h"
#include "ids/id_table.h"
#include "launch/commands.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/train/compute_options.h"
#include "launch/train/distribution_options.h"
#include "launch/train/exit_record.h"
#include "launch/train/loop_options.h"
#include "launch/train/model_options.h"
#include "launch/train/resuming.h"
#include "launch/train/run_saver.h"
#include "launch/train/start_options.h"
#include "launch/train/starting_model.h"
#include "launch/train/stop_wish.h"
#include "launch/train/straggler_log.h"
#include "launch/train/title_reading.h"
#include "launch/train/train_log.h"
#include "launch/train/watch_options.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/device.h"
#include "trainer/evaluate/trie_nats.h"
#include "trainer/evaluate/validator.h"
#include "trainer/model_io.h"
#include "trainer/run_folder.h"
#include "trainer/text_id_rows.h"
#include "trainer/trainer.h"

namespace tutti::launch {
namespace {

constexpr int kValidationBeam = 16;
constexpr int64_t kNatsQueries = 100;  // enough to compare: thousands of tracks

struct TrainArgs {
  std::string dataset, ids, out, resume = kNever;
  bool overwrite = false;
  LoopArgs loop;
  ModelArgs model;
  ComputeArgs compute;
  DistributionArgs distribution;
  WatchArgs watch;
  StopArgs stop;
  StartArgs start;
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
      .add_with_bare_form(
          "resume", kAuto, &a.resume,
          "auto, or nothing behind it: go on from the newest good checkpoint in "
          "--out, start from nothing when there is none | a folder: go on from that "
          "run or checkpoint | never")
      .add("overwrite", &a.overwrite, "replace the run in --out");
  declare(options, a.loop);
  declare(options, a.model);
  declare(options, a.compute);
  declare(options, a.distribution);
  declare(options, a.watch);
  declare(options, a.stop);
  declare(options, a.start);
  return options;
}

void check(TrainArgs& a) {
  check(a.loop);
  check(a.model);
  check(a.compute);
  check(a.distribution);
  check(a.watch);
  check(a.stop);
  a.loop.data.packing.softmax = a.model.softmax;
  a.model.requests = a.loop.data.requests;
  a.loop.trainer.dropout = a.model.dropout;
  a.loop.trainer.dropout_seed = a.loop.seed;
  a.loop.trainer.thaw_at = a.model.thaw_at;
  if (a.resume != kNever && a.overwrite)
    throw UsageError("--resume and --overwrite exclude each other; give one");
}

// From the start, or from where it was left, to the end or to the step where more begins to train:
// nothing then, and the run goes on from its checkpoint.
std::optional<int> train_phase(TrainArgs a, const Options& options, Communicator& comm) {
  const c10::Device device = trainer::choose_device(a.compute.device, comm);
  at::set_num_threads(a.compute.threads);
  keep_freed_memory();
  ExitRecord record(a.out, comm.rank(), comm.size());
  std::atomic<int64_t> last_step = -1;  // none: the run is not this job's yet
  std::optional<Watchdog> watchdog;
  if (a.watch.watchdog) {
    watchdog.emplace(comm, a.watch.limits, [&](const std::string& loss) {
      log::error(loss);
      if (last_step >= 0)
        record.write(static_cast<int>(ExitCode::kPeerLost), "error", last_step, loss);
      comm.abort(static_cast<int>(ExitCode::kPeerLost));
    });
  }
  const auto enter = [&watchdog](Watchdog::Phase phase, int64_t step) {
    if (watchdog) watchdog->enter(phase, step);
  };

  const data::Dataset dataset = open_dataset(a.dataset, a.start, comm);
  const ids::LoadedIdTable ids = ids::read_id_table(a.ids);
  require_made_from(a.ids, ids.manifest, "dataset", dataset.manifest());
  require_agreement(comm, {{"the program", hash_of_this_program()},
                           {"the options", options.resolved().dump()},
                           {"the dataset", dataset.manifest().hash},
                           {"the ID table", ids.manifest.hash}});
  const std::filesystem::path stop_file = std::filesystem::path(a.out) / "stop";
  if (a.resume != kNever && std::filesystem::exists(stop_file)) {
    throw UsageError(Problem{stop_file.string(), "", "a stop file", "none",
                             "somebody wanted this run to stay stopped; remove it to go on"});
  }

  const std::optional<checkpoints::Checkpoint> last = checkpoint_to_resume(a.out, a.resume);
  const bool resumed = last.has_value();
  settle_text_rows(a.model, resumed ? last->state
                            : a.model.warm_start.empty()
                                ? nlohmann::json::object()
                                : checkpoints::open_checkpoint(a.model.warm_start, false).state);
  nlohmann::json config = what_makes_a_run(options.resolved());
  config["text-rows"] = a.model.text_rows_name;
  if (resumed) {
    require_made_from(last->path, last->manifest, "dataset", dataset.manifest());
    require_made_from(last->path, last->manifest, "id-table", ids.manifest);
    require_same_run(*last, config, a.loop.data.requests);
  }
  const bool is_thawed =
      resumed && a.model.thaw_at > 0 && last->state.value("step", int64_t{0}) >= a.model.thaw_at;
  if (is_thawed) {
    a.model.part = trainer::TrainedPart::kAll;
    a.loop.trainer.thaw_at = 0;
  }
  const StartingModel start =
      resumed ? resumed_model(*last) : make_starting_model(a.model, dataset, ids, comm);
  const data::Tokenizer& tokenizer = start.tokenizer;
  const std::unique_ptr<trainer::IdModel> made = make_model(start, a.model);
  trainer::IdModel& model = *made;
  std::optional<trainer::BaseReport> base_report;
  if (resumed) {
    trainer::load_parameters(model, last->model);
  } else {
    base_report = fill_model(model, start, a.model, ids.table, a.loop.seed);
    if (a.model.start_ids == "text") {
      trainer::start_id_rows_from_text(model, ids.table, dataset, tokenizer, a.loop.seed);
    }
  }
  model.move_to(device);
  model.set_compute(a.compute.compute);

  // Gradients in device memory travel over NCCL, all else over MPI.
  std::unique_ptr<Communicator> nccl;
  if (device.is_cuda() && comm.size() > 1)
    nccl = make_nccl_communicator(comm, {.device = device.index(), .module = {}});
  Communicator& ranks = nccl ? *nccl : comm;
  trainer::GradientReducer reducer(
      model.parameters(), {model.flat_values(), model.flat_grads(), model.num_decay_elements()},
      ranks, a.distribution.reducer());
  trainer::AdamW optimizer(model, a.loop.trainer.adamw, reducer.owned());
  trainer::TrainState state;
  if (resumed) {
    const std::filesystem::path state_file = last->path / checkpoints::kStateFile;
    state = trainer::train_state_from_json(last->state.value("progress", nlohmann::json()),
                                           state_file.string());
    if (is_thawed && state.step == a.model.thaw_at) {
      state.updates_before_thaw += state.updates();
      log::info(fmt::format("all parameters train from step {} on", state.step + 1));
    } else {
      trainer::load_optimizer(optimizer, last->optimizer(), state.updates());
    }
    log::info(fmt::format("resuming {} at step {}", last->path.string(), state.step));
  }

  const trainer::ModelFlops flops(model, ids.table);
  a.loop.data.node_cost = flops.mean_node(a.loop.data.packing.softmax);
  a.loop.data.title_token_cost = flops.title_token();
  trainer::TrainingData data(dataset, tokenizer, ids.table, a.loop.data);
  const int64_t total_steps = a.loop.trainer.learning_rate.total_steps;
  log::info(
      fmt::format("{} parameters, {} text pieces, {} ID tokens; {} training playlists, {:.2f} "
                  "epochs in {} steps of {} titles; {} rank(s) x {} thread(s)",
                  count_words(model.num_parameters()), tokenizer.num_pieces(),
                  ids.table.num_tokens(), count_words(data.num_playlists()),
                  static_cast<double>(total_steps * a.loop.data.titles_per_step) /
                      static_cast<double>(data.num_playlists()),
                  total_steps, a.loop.data.titles_per_step, comm.size(), a.compute.threads));

  std::optional<trainer::Validator> validator;
  if (a.loop.trainer.validate_every > 0) validator.emplace(dataset, a.loop.validation_queries);
  trainer::GenerativeRanker ranker(
      model, tokenizer, ids.table, data.trie(),
      {.beam = kValidationBeam, .softmax = a.loop.data.packing.softmax});
  // Parameters, two moments, and the best model beside them.
  const nlohmann::json checked = check_at_start(
      a.start, a.out, 4 * static_cast<int64_t>(sizeof(float)) * model.num_parameters(), comm);
  // After all that can be wrong with the input: nothing is left behind then.
  std::optional<trainer::RunFolder> run;
  if (comm.is_root()) {
    using Existing = trainer::RunFolder::Existing;
    run.emplace(a.out, a.resume != kNever ? Existing::kResume
                       : a.overwrite      ? Existing::kReplace
                                          : Existing::kRefuse);
    run->write_config(options.resolved_ini());
    if (!checked.is_null()) write_file(run->path() / "preflight.json", checked.dump(2) + '\n');
    if (base_report) {
      write_file(run->path() / "base.json", trainer::to_json(*base_report).dump(2) + '\n');
    }
  }
  // Also of a run that was killed before its first checkpoint, and begins again.
  if (run && a.resume != kNever) run->truncate_log_after(state.step);

  std::map<std::string, std::string> made_from = start.made_from;
  made_from.insert({{"dataset", dataset.manifest().hash}, {"id-table", ids.manifest.hash}});
  RunSaver saver(a.out, {.number = a.loop.keep, .commit = a.loop.commit},
                 {.state = {{"softmax", checkpoints::name_of(a.model.softmax)},
                            {"model", start.shape},
                            {"prompt", start.prompt},
                            {"train", config},
                            {"requests", a.loop.data.requests}},
                  .files = {{tokenizer.file_name(), tokenizer.bytes()}},
                  .made_from = made_from},
                 model, optimizer, comm);
  TrainLog train_log(run ? &*run : nullptr, total_steps, a.loop.report_every,
                     comm.sum(ids::probe_gemm_flops(
                         model.flat_rounded().defined() ? at::kBFloat16 : at::kFloat, device)));
  StragglerLog stragglers(comm, run ? &*run : nullptr);
  StopWish stop(a.stop, run ? std::optional(stop_file) : std::nullopt);
  std::string stop_reason;
  auto saving_since = std::chrono::steady_clock::now();
  const trainer::TrainerHooks hooks = {
      .report =
          [&](const trainer::StepReport& r) {
            enter(Watchdog::Phase::kStep, r.step + 1);
            last_step = r.step;
            train_log.step(r);
            stragglers.step(r);
            stop.note_step(r);
          },
      .checkpoint =
          [&](const trainer::TrainState& at) {
            enter(Watchdog::Phase::kCheckpoint, at.step);
            saving_since = std::chrono::steady_clock::now();
            saver.start(at);
            enter(Watchdog::Phase::kStep, at.step + 1);
          },
      .save_progress = [&] { return saver.progress(); },
      .saves_agreed =
          [&](const RunSaver::Progress& sum) {
            if (sum[0] >= comm.size()) {  // all shards are written
              stop.note_checkpoint(std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::steady_clock::now() - saving_since));
            }
            saver.agree(sum);
          },
      .finish_saving =
          [&] {
            enter(Watchdog::Phase::kCheckpoint, state.step);
            saver.finish();
          },
      .validate =
          [&](const trainer::TrainState& at) {
            enter(Watchdog::Phase::kValidation, at.step);
            trainer::Validation validation = validator->run(ranker, comm);
            const auto& [seen, unseen] = validator->queries();
            validation.trie_nats =
                trainer::trie_nats(model, tokenizer, ids.table, data.trie(),
                                   seen.size() > 0 ? seen : unseen, kNatsQueries, comm)
                    .mean;
            train_log.validation(at, validation);
            enter(Watchdog::Phase::kStep, at.step + 1);
            return validation.hits;
          },
      .new_best = [&](const trainer::TrainState& at) { saver.save_best(at); },
      .stop_requested =
          [&] {
            stop_reason = stop.reason();
            return !stop_reason.empty();
          }};
  record.begin(comm, state.step);
  last_step = state.step;
  read_training_titles(model, dataset, tokenizer, a.model.title_states, a.out, comm,
                       [&] { enter(Watchdog::Phase::kStartUp, state.step); });
  enter(Watchdog::Phase::kFirstStep, state.step + 1);
  const trainer::TrainEnd end = record.guard(
      [&] { return state.step; },
      [&] {
        trainer::Trainer loop(model, optimizer, reducer, data, ids.table, ranks, a.loop.trainer);
        const trainer::TrainEnd how = loop.run(state, hooks);
        hooks.finish_saving();
        return how;
      });
  if (state.skipped > 0)
    log::warn(fmt::format("{} of {} steps were skipped: not finite", state.skipped, state.step));
  if (state.best_step > 0) {
    log::info(fmt::format("best validation: hits@10 {:.3f} at step {}, kept in {}/best",
                          state.best_hits, state.best_step, a.out));
  }
  if (end == trainer::TrainEnd::kNoLongerBetter) {
    log::info(fmt::format("ended at step {}: {} validations without a new best", state.step,
                          state.validations_since_best));
  }
  if (end == trainer::TrainEnd::kThaw) return std::nullopt;
  if (end == trainer::TrainEnd::kStopped) {
    if (stop_reason.empty()) stop_reason = "another rank";
    log::info(fmt::format("stopped ({}), checkpoint written; go on with --resume", stop_reason));
    if (run) record.write(static_cast<int>(ExitCode::kStopped), stop_reason, state.step);
    return static_cast<int>(ExitCode::kStopped);
  }
  if (run) {
    record.write(0, end == trainer::TrainEnd::kNoLongerBetter ? "no-longer-better" : "done",
                 state.step);
  }
  return 0;
}

}  // namespace

int run_train(const std::vector<std::string>& args, Communicator& comm) {
  TrainArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check(a);
  TrainArgs phase = a;
  for (;;) {
    if (const std::optional<int> code = train_phase(phase, options, comm)) return *code;
    phase.resume = kAuto;
    phase.overwrite = false;
  }
}

}  // namespace tutti::launch
