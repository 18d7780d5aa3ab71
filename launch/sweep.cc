// One evaluation a setting of the search: how hits are traded for different artists.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "launch/commands.h"
#include "launch/evaluation_origin.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/result_file.h"
#include "launch/search_options.h"
#include "launch/text_table.h"
#include "launch/trained_system.h"
#include "trainer/baselines/popularity.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/report.h"
#include "trainer/evaluate/track_facts.h"

namespace tutti::launch {
namespace {

struct SweepArgs {
  std::string run, ids, dataset, split = "validation", out;
  std::vector<std::string> beams = {"60"}, groups = {"1", "10", "30"},
                           penalties = {"0.1", "0.25", "0.5", "1"};
  int k = 10, threads = 1;
  int64_t max_queries = 500;
  uint64_t seed = 0;
};

void declare(Options& options, SweepArgs& a) {
  options.require("run", &a.run, "run folder (its newest checkpoint) or checkpoint folder")
      .require("ids", &a.ids, "ID table folder that the run was trained with")
      .require("dataset", &a.dataset, "dataset folder that both were made from")
      .require("out", &a.out,
               "folder for a file a setting, as evaluate --json writes them: for tutti report")
      .add("split", &a.split, "held-out playlists to ask: test | validation")
      .add("beams", &a.beams, "beam widths to try")
      .add("groups", &a.groups, "numbers of groups to try, those that divide the beam; 1: ordinary")
      .add("penalties", &a.penalties, "values of --diversity to try where there are groups")
      .add("k", &a.k, "places of a list that count")
      .add("max-queries", &a.max_queries, "cap a set of queries; a fixed sample is drawn; 0: all")
      .add("seed", &a.seed, "of that sample")
      .add("threads", &a.threads, "threads a rank");
}

double number_of(const char* option, const std::string& text) {
  size_t used = 0;
  double value = -1;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || !(value >= 0 && value < 1e6)) {
    throw UsageError(Problem{"", option, "'" + text + "'", "numbers of 0 or more", ""});
  }
  return value;
}

// Every setting once; ordinary beams have no penalty.
std::vector<SearchOptions> settings_of(const SweepArgs& a) {
  std::vector<SearchOptions> settings;
  for (const std::string& beam_text : a.beams) {
    const int beam = static_cast<int>(number_of("--beams", beam_text));
    require_at_least("--beams", beam, 1);
    for (const std::string& groups_text : a.groups) {
      const int groups = static_cast<int>(number_of("--groups", groups_text));
      require_at_least("--groups", groups, 1);
      if (beam % groups != 0) continue;
      for (const std::string& penalty_text : a.penalties) {
        const double penalty = number_of("--penalties", penalty_text);
        settings.push_back({.beam = beam, .groups = groups, .diversity = penalty});
        if (groups == 1) break;
      }
    }
  }
  if (settings.empty()) {
    throw UsageError(Problem{"", "--groups", fmt::format("{}", fmt::join(a.groups, " ")),
                             "at least one that divides a beam width", ""});
  }
  return settings;
}

std::string file_name(const SearchOptions& search) {
  return search.groups == 1
             ? fmt::format("beams-{}.json", search.beam)
             : fmt::format("beams-{}-{}-{:g}.json", search.beam, search.groups, search.diversity);
}

}  // namespace

int run_sweep(const std::vector<std::string>& args, Communicator& comm) {
  SweepArgs a;
  Options options(
      "sweep",
      "Asks a trained model the same titles with other beam widths, groups and "
      "penalties: hits against different artists, and what each costs.",
      "tutti sweep --run run --ids ids --dataset data --groups 1 --groups 30 --penalties 0.25 "
      "--penalties 0.5 --out sweep");
  declare(options, a);
  if (!options.parse(args)) return 0;
  require_at_least("--k", a.k, 1);
  require_at_least("--threads", a.threads, 1);
  require_at_least("--max-queries", a.max_queries, 0);
  require_one_of("--split", a.split, {"test", "validation"});
  const std::vector<SearchOptions> settings = settings_of(a);
  at::set_num_threads(a.threads);
  if (comm.is_root()) make_folder(a.out, "--out");

  const TrainedSystem system = open_trained_system(a.dataset, a.ids, a.run);
  const auto sets = trainer::make_playlist_queries(
      system.dataset, {.part = a.split == "test" ? data::Part::kTest : data::Part::kValidation,
                       .max_queries = a.max_queries,
                       .seed = a.seed});
  const auto facts = std::make_shared<const trainer::TrackFacts>(
      trainer::make_track_facts(system.dataset.catalog(), system.dataset.train_counts()));
  const trainer::EvaluationOptions evaluation = {
      .metrics = {{a.k}, a.k, facts}, .depth = a.k, .keep_lists = true};
  const std::string hits = fmt::format("hits@{}", a.k),
                    artists = fmt::format("distinct_artists@{}", a.k);
  std::vector<std::vector<std::string>> table = {{"beams", "groups", "penalty", hits + " seen",
                                                  "unseen", "artists seen", "unseen", "titles/s"}};
  Progress progress("sweep", std::ssize(settings), "settings", ProgressView::of_process(comm));
  for (const SearchOptions& search : settings) {
    trainer::GenerativeRanker ranker = system.ranker(search);
    trainer::Report report{.heading = {fmt::format("A sweep of the search, {} part.", a.split)},
                           .k = a.k,
                           .metrics = evaluation.metrics};
    std::vector<trainer::Evaluation> results;
    for (const auto* set : {&sets.seen, &sets.unseen}) {
      results.push_back(trainer::evaluate(ranker, *set, evaluation, comm));
      if (comm.is_root()) {
        report.blocks.push_back(
            trainer::make_block(*set, "held-out playlists", {results.back()}, a.k, a.seed));
      }
    }
    progress.set(&search - settings.data() + 1);
    if (!comm.is_root()) continue;
    const double seconds = results[0].seconds + results[1].seconds;
    const auto titles = static_cast<double>(results[0].num_titles + results[1].num_titles);
    table.push_back({std::to_string(search.beam), std::to_string(search.groups),
                     search.groups == 1 ? "" : fmt::format("{:g}", search.diversity),
                     fmt::format("{:.3f}", results[0].mean(hits)),
                     fmt::format("{:.3f}", results[1].mean(hits)),
                     fmt::format("{:.2f}", results[0].mean(artists)),
                     fmt::format("{:.2f}", results[1].mean(artists)),
                     fmt::format("{:.0f}", seconds > 0 ? titles / seconds : 0)});
    nlohmann::json document = trainer::to_json(report);
    add_origin(&document, system.dataset, &system,
               {.split = a.split,
                .k = a.k,
                .depth = a.k,
                .max_queries = a.max_queries,
                .seed = a.seed,
                .threads = a.threads,
                .ranks = comm.size(),
                .search = search});
    ResultFile(std::filesystem::path(a.out) / file_name(search)).commit(document);
  }
  progress.finish();
  if (comm.is_root()) fmt::print("{}", align_columns(table));
  return 0;
}

}  // namespace tutti::launch
