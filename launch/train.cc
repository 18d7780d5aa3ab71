#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "dist/nccl_communicator.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/log.h"
#include "dist/runtime/memory.h"
#include "ids/gemm_probe.h"
#include "launch/commands.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/train/run_events.h"
#include "launch/train/run_inputs.h"
#include "launch/train/starting_model.h"
#include "launch/train/title_reading.h"
#include "launch/train/train_args.h"
#include "trainer/device.h"
#include "trainer/model_io.h"
#include "trainer/run_folder.h"
#include "trainer/text_id_rows.h"
#include "trainer/trainer.h"

namespace tutti::launch {
namespace {

struct RunModel {
  StartingModel start;
  std::unique_ptr<trainer::IdModel> model;
  std::optional<trainer::BaseReport> base_report = {};  // of a base that a new run starts from
};

RunModel make_run_model(const TrainArgs& a, const RunInputs& in, c10::Device device,
                        Communicator& comm) {
  StartingModel start =
      in.last ? resumed_model(*in.last) : make_starting_model(a.model, in.dataset, in.ids, comm);
  RunModel made{.start = std::move(start), .model = nullptr};
  made.model = make_model(made.start, a.model);
  if (in.last) {
    trainer::load_parameters(*made.model, in.last->model);
  } else {
    made.base_report = fill_model(*made.model, made.start, a.model, in.ids.table, a.loop.seed);
    if (a.model.start_ids == "text") {
      trainer::start_id_rows_from_text(*made.model, in.ids.table, in.dataset, made.start.tokenizer,
                                       a.loop.seed);
    }
  }
  made.model->move_to(device);
  made.model->set_compute(a.compute.compute);
  return made;
}

// Where the run is, and the moments of its optimizer there.
trainer::TrainState take_up(const TrainArgs& a, const RunInputs& in, trainer::AdamW& optimizer) {
  if (!in.last) return {};
  const std::filesystem::path state_file = in.last->path / checkpoints::kStateFile;
  trainer::TrainState state = trainer::train_state_from_json(
      in.last->state.value("progress", nlohmann::json()), state_file.string());
  if (in.is_thawed && state.step == a.model.thaw_at) {
    state.updates_before_thaw += state.updates();
    log::info(fmt::format("all parameters train from step {} on", state.step + 1));
  } else {
    trainer::load_optimizer(optimizer, in.last->optimizer(), state.updates());
  }
  log::info(fmt::format("resuming {} at step {}", in.last->path.string(), state.step));
  return state;
}

void log_sizes(const TrainArgs& a, const trainer::IdModel& model, const data::Tokenizer& tokenizer,
               const ids::IdTable& table, const trainer::TrainingData& data, int num_ranks) {
  const int64_t total_steps = a.loop.trainer.learning_rate.total_steps;
  log::info(fmt::format(
      "{} parameters, {} text pieces, {} ID tokens; {} training playlists, {:.2f} "
      "epochs in {} steps of {} titles at rates up to {:.2g}; {} rank(s) x {} thread(s)",
      count_words(model.num_parameters()), tokenizer.num_pieces(), table.num_tokens(),
      count_words(data.num_playlists()),
      static_cast<double>(total_steps * a.loop.data.titles_per_step) /
          static_cast<double>(data.num_playlists()),
      total_steps, a.loop.data.titles_per_step, a.loop.trainer.learning_rate.peak, num_ranks,
      a.compute.threads));
}

// On rank 0, the run's folder; elsewhere nothing.
std::optional<trainer::RunFolder> open_run_folder(const TrainArgs& a, Communicator& comm) {
  using Existing = trainer::RunFolder::Existing;
  if (!comm.is_root()) return std::nullopt;
  return std::make_optional<trainer::RunFolder>(a.out, a.resume != kNever ? Existing::kResume
                                                       : a.overwrite      ? Existing::kReplace
                                                                          : Existing::kRefuse);
}

RunSaver::Common common_of_checkpoints(const TrainArgs& a, const RunInputs& in,
                                       const StartingModel& start) {
  std::map<std::string, std::string> made_from = start.made_from;
  made_from.insert({{"dataset", in.dataset.manifest().hash}, {"id-table", in.ids.manifest.hash}});
  return {.state = {{"softmax", checkpoints::name_of(a.model.softmax)},
                    {"model", start.shape},
                    {"prompt", start.prompt},
                    {"train", in.config},
                    {"requests", a.loop.data.requests}},
          .files = {{start.tokenizer.file_name(), start.tokenizer.bytes()}},
          .made_from = made_from};
}

void log_end(const trainer::TrainState& state, trainer::TrainEnd end, const std::string& out) {
  if (state.skipped > 0)
    log::warn(fmt::format("{} of {} steps were skipped: not finite", state.skipped, state.step));
  if (state.best_step > 0) {
    log::info(fmt::format("best validation: hits@10 {:.3f} at step {}, kept in {}/best",
                          state.best_hits, state.best_step, out));
  }
  if (end == trainer::TrainEnd::kNoLongerBetter) {
    log::info(fmt::format("ended at step {}: {} validations without a new best", state.step,
                          state.validations_since_best));
  }
}

// From the start, or from where it was left, to the end or to the step where more begins to train:
// nothing then, and the run goes on from its checkpoint.
std::optional<int> train_phase(TrainArgs a, const Options& options, Communicator& comm) {
  const c10::Device device = trainer::choose_device(a.compute.device, comm);
  at::set_num_threads(a.compute.threads);
  keep_freed_memory();
  RunWatch watch(a.out, a.watch, comm);
  const RunInputs in = open_run_inputs(a, options.resolved(), comm);
  const ids::IdTable& table = in.ids.table;
  const RunModel made = make_run_model(a, in, device, comm);
  trainer::IdModel& model = *made.model;
  double& peak = a.loop.trainer.learning_rate.peak;
  if (peak == 0) peak = trainer::peak_for_width(model.width());
  const data::Tokenizer& tokenizer = made.start.tokenizer;

  // Gradients in device memory travel over NCCL, all else over MPI.
  std::unique_ptr<Communicator> nccl;
  if (device.is_cuda() && comm.size() > 1)
    nccl = make_nccl_communicator(comm, {.device = device.index(), .module = {}});
  Communicator& ranks = nccl ? *nccl : comm;
  trainer::GradientReducer reducer(
      model.parameters(), {model.flat_values(), model.flat_grads(), model.num_decay_elements()},
      ranks, a.distribution.reducer());
  trainer::AdamW optimizer(model, a.loop.trainer.adamw, reducer.owned());
  trainer::TrainState state = take_up(a, in, optimizer);

  const trainer::ModelFlops flops(model, table);
  a.loop.data.node_cost = flops.mean_node(a.loop.data.packing.softmax);
  a.loop.data.title_token_cost = flops.title_token();
  trainer::TrainingData data(in.dataset, tokenizer, table, a.loop.data);
  log_sizes(a, model, tokenizer, table, data, comm.size());
  std::optional<RunValidation> validation;
  if (a.loop.trainer.validate_every > 0) {
    validation.emplace(in.dataset, a.loop.validation_queries, model, tokenizer, table, data.trie(),
                       a.loop.data.packing.softmax);
  }

  // Parameters, two moments, and the best model beside them.
  const nlohmann::json checked = check_at_start(
      a.start, a.out, 4 * static_cast<int64_t>(sizeof(float)) * model.num_parameters(), comm);
  // After all that can be wrong with the input: nothing is left behind then.
  const std::optional<trainer::RunFolder> run = open_run_folder(a, comm);
  if (run) {
    run->write_config(options.resolved_ini());
    if (!checked.is_null()) write_file(run->path() / "preflight.json", checked.dump(2) + '\n');
    if (made.base_report) {
      write_file(run->path() / "base.json", trainer::to_json(*made.base_report).dump(2) + '\n');
    }
    // Also of a run that was killed before its first checkpoint, and begins again.
    if (a.resume != kNever) run->truncate_log_after(state.step);
  }

  RunSaver saver(a.out, {.number = a.loop.keep, .commit = a.loop.commit},
                 common_of_checkpoints(a, in, made.start), model, optimizer, comm);
  const trainer::RunFolder* folder = run ? &*run : nullptr;
  const c10::ScalarType compute_type = model.flat_rounded().defined() ? at::kBFloat16 : at::kFloat;
  TrainLog log(folder, a.loop.trainer.learning_rate.total_steps, a.loop.report_every,
               comm.sum(ids::probe_gemm_flops(compute_type, device)));
  StragglerLog stragglers(comm, folder);
  StopWish stop(a.stop, run ? std::optional(stop_file_of(a.out)) : std::nullopt);
  RunEvents events({.watch = watch,
                    .saver = saver,
                    .stop = stop,
                    .log = log,
                    .stragglers = stragglers,
                    .validation = validation,
                    .comm = comm});

  watch.begin(comm, state.step);
  read_training_titles(model, in.dataset, tokenizer, a.model.title_states, a.out, comm,
                       [&] { watch.enter(Watchdog::Phase::kStartUp, state.step); });
  watch.enter(Watchdog::Phase::kFirstStep, state.step + 1);
  const trainer::TrainEnd end = watch.guard([&] {
    const trainer::TrainerHooks hooks = events.hooks();
    trainer::Trainer loop(model, optimizer, reducer, data, table, ranks, a.loop.trainer);
    const trainer::TrainEnd how = loop.run(state, hooks);
    hooks.finish_saving();
    return how;
  });

  log_end(state, end, a.out);
  switch (end) {
    case trainer::TrainEnd::kThaw:
      return std::nullopt;
    case trainer::TrainEnd::kStopped: {
      const std::string reason =
          events.stop_reason().empty() ? "another rank" : events.stop_reason();
      log::info(fmt::format("stopped ({}), checkpoint written; go on with --resume", reason));
      watch.end(static_cast<int>(ExitCode::kStopped), reason);
      return static_cast<int>(ExitCode::kStopped);
    }
    case trainer::TrainEnd::kNoLongerBetter:
      watch.end(0, "no-longer-better");
      return 0;
    case trainer::TrainEnd::kDone:
      watch.end(0, "done");
      return 0;
  }
  return 0;  // not reached
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
