#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/report/examples.h"
#include "launch/report/inputs.h"
#include "launch/report/model_card.h"
#include "launch/report/sections.h"
#include "launch/report/tensorboard.h"

namespace tutti::launch {
namespace {

constexpr int64_t kPlaces = 10;  // of an example's lists

struct ReportArgs {
  std::vector<std::string> inputs;
  std::string out, tensorboard;
  int64_t examples = 3;
  bool overwrite = false;
};

Options declare(ReportArgs& a) {
  Options options("report",
                  "Tells in one HTML page what was trained and how good it is: systems with "
                  "intervals, learning curves, example prompts, IDs. Also as Markdown and CSV, "
                  "with a model card, and as TensorBoard files.",
                  "tutti report scores.json run ids-report trec data --out report");
  options
      .positional("inputs", &a.inputs,
                  "in any order, told by their content: run folders, files of evaluate --json (the "
                  "first in full), the folder of ids report, of evaluate --dump-run, the dataset")
      .add("out", &a.out,
           "folder to make: report.html, report.md, model-card.md and a CSV file a table")
      .add("examples", &a.examples, "example prompts a set of queries")
      .add("tensorboard", &a.tensorboard,
           "folder to put the curves of log.jsonl into, a folder a run: for tensorboard --logdir")
      .add("overwrite", &a.overwrite, "replace earlier ones");
  return options;
}

// Where the command cannot write is said before it reads; nothing is made yet.
void check(const ReportArgs& a) {
  if (a.out.empty() && a.tensorboard.empty()) {
    throw UsageError({"", "--out", "nothing", "a folder to make", "or give --tensorboard"});
  }
  if (a.examples < 0) {
    throw UsageError({"", "--examples", std::to_string(a.examples), "0 or more", ""});
  }
}

void read_trec_examples(const ReportArgs& a, ReportInputs* inputs) {
  if (inputs->trec_folders.empty() || a.examples == 0 || a.out.empty()) return;
  if (!inputs->dataset) {
    throw UsageError({inputs->trec_folders.front(), "", "no dataset beside it",
                      "the dataset that names its tracks", "add the dataset's folder"});
  }
  const auto dataset = data::Dataset::open(inputs->dataset->path);
  inputs->examples = read_examples(inputs->trec_folders.front(), dataset, a.examples, kPlaces);
}

Manifest origin_of(const ReportInputs& inputs) {
  Manifest manifest;
  const auto note = [&manifest](const char* role, const std::string& hash) {
    if (!hash.empty()) manifest.made_from.emplace(role, hash);
  };
  if (inputs.dataset) note("dataset", inputs.dataset->manifest.hash);
  for (const auto& scores : inputs.scores) {
    note("dataset", scores.dataset_hash);
    note("id-table", scores.id_table_hash);
    note("checkpoint", scores.checkpoint_hash);
  }
  for (const auto& run : inputs.runs) {
    note("dataset", run.dataset_hash);
    note("id-table", run.id_table_hash);
  }
  if (inputs.ids) note("id-table", inputs.ids->id_table_hash);
  manifest.counts = {{"scores", inputs.scores.size()},
                     {"runs", inputs.runs.size()},
                     {"examples", inputs.examples.size()}};
  return manifest;
}

void write_report(const ReportArgs& a, const ReportInputs& inputs) {
  ArtefactWriter writer(a.out, "report", a.overwrite);
  const ReportDocument document = make_report(inputs);
  write_file(writer.file("report.html"), html_of(document));
  write_file(writer.file("report.md"), markdown_of(document));
  write_file(writer.file("model-card.md"), model_card(inputs));
  for (const auto& csv : document.csv_files) {
    write_file(writer.file(csv.name), csv_table(csv.rows));
  }
  writer.commit(origin_of(inputs));
  fmt::print("{}: report.html, report.md, model-card.md", a.out);
  for (const auto& csv : document.csv_files) fmt::print(", {}", csv.name);
  fmt::print("\n");
}

void write_tensorboard(const ReportArgs& a, const std::vector<RunLog>& runs) {
  std::error_code problem;
  std::filesystem::create_directories(a.tensorboard, problem);
  if (problem) {
    throw StorageError({a.tensorboard, "--tensorboard", problem.message(), "a folder", ""});
  }
  for (const auto& run : runs) {
    const auto folder = std::filesystem::path(a.tensorboard) / run.name;
    ArtefactWriter writer(folder, "tensorboard", a.overwrite);
    const auto events = scalar_events((std::filesystem::path(run.folder) / "log.jsonl").string());
    write_file(writer.file("events.out.tfevents.0.tutti"), event_file_bytes(events));
    Manifest manifest;
    manifest.counts = {{"records", events.size()}};
    writer.commit(std::move(manifest));
    fmt::print("{}: {} records\n", folder.string(), events.size());
  }
}

}  // namespace

int run_report(const std::vector<std::string>& args, Communicator& comm) {
  ReportArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check(a);
  if (comm.is_root()) {
    ReportInputs inputs = read_report_inputs(a.inputs);
    if (!a.tensorboard.empty() && inputs.runs.empty()) {
      throw UsageError({"", "--tensorboard", "no run folder among the inputs", "one or more", ""});
    }
    read_trec_examples(a, &inputs);
    if (!a.out.empty()) write_report(a, inputs);
    if (!a.tensorboard.empty()) write_tensorboard(a, inputs.runs);
  }
  comm.barrier();
  return 0;
}

}  // namespace tutti::launch
