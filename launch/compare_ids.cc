// The study's table: one model a strategy of IDs, all else equal.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "launch/commands.h"
#include "launch/compare/cells.h"
#include "launch/compare/study.h"
#include "launch/compare/table.h"
#include "launch/evaluation_origin.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/result_file.h"
#include "trainer/evaluate/significance.h"

namespace tutti::launch {
namespace {

constexpr int kResamples = 1000;

struct CompareArgs {
  std::string config, dataset, out, reference = "artist-track-name";
  int threads = 1;
  MeasureOptions measure;
};

Options declare(CompareArgs& a) {
  Options options("compare-ids",
                  "Builds IDs by each strategy of a study file, trains the same model on each for "
                  "the same steps, asks it for held-out titles and prints the table. What is "
                  "finished is kept: the same command goes on.",
                  "tutti compare-ids --config launch/studies/demo.ini --out build/compare");
  options
      .require("config", &a.config,
               "study file: sections [synth], [embed cf], [train] and one [ids NAME] a strategy")
      .require("out", &a.out, "folder for all that is made, and comparison.md, .csv and .json")
      .add("dataset", &a.dataset, "dataset folder; empty: the study file's [synth] makes one")
      .add("reference", &a.reference, "row that the ratios are to")
      .add("split", &a.measure.split, "held-out playlists to ask: test | validation")
      .add("k", &a.measure.k, "places of a list that count")
      .add("beam", &a.measure.beam, "partial IDs kept a title and position")
      .add("max-queries", &a.measure.max_queries,
           "cap on seen and on unseen titles; a fixed sample is drawn; 0: all")
      .add("free-titles", &a.measure.free_titles,
           "titles that are searched without the trie too, for the share of invalid IDs")
      .add("seed", &a.measure.seed, "of that sample")
      .add("threads", &a.threads, "threads a rank, of every command");
  return options;
}

void check(const CompareArgs& a, const Study& study) {
  require_one_of("--split", a.measure.split, {"test", "validation"});
  require_at_least("--k", a.measure.k, 1);
  require_at_least("--beam", a.measure.beam, 1);
  require_at_least("--max-queries", a.measure.max_queries, 0);
  require_at_least("--free-titles", a.measure.free_titles, 1);
  require_at_least("--threads", a.threads, 1);
  if (study.has_synth != a.dataset.empty()) {
    throw UsageError(Problem{study.file, "--dataset", a.dataset.empty() ? "nothing" : a.dataset,
                             "a dataset, or a section [synth] in the study file, not both", ""});
  }
  if (study.find(a.reference) == nullptr) {
    throw UsageError(Problem{study.file, "--reference", a.reference,
                             fmt::format("a section [ids {}]", a.reference), ""});
  }
}

// The commands of a study take their options from its file alone.
void drop_option_variables() {
  constexpr std::string_view kKept[] = {"TUTTI_CACHE", "TUTTI_CONFORMANCE_PYTHON",
                                        "TUTTI_NCCL_MODULE", "TUTTI_MPI_START_LIMIT"};
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("TUTTI_") && std::ranges::find(kKept, name) == std::end(kKept)) {
      names.emplace_back(name);
    }
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

// A row's figures of each query, seen titles first, and where they end.
struct Hits {
  std::vector<double> all;
  std::vector<int32_t> clusters;
  size_t num_seen = 0;
};

Hits hits_of(const nlohmann::json& result) {
  Hits hits;
  for (const std::string part : {"seen titles", "unseen titles"}) {
    const auto values = result.at("hits").at(part).get<std::vector<double>>();
    const auto clusters = result.at("clusters").at(part).get<std::vector<int32_t>>();
    hits.all.insert(hits.all.end(), values.begin(), values.end());
    hits.clusters.insert(hits.clusters.end(), clusters.begin(), clusters.end());
    if (part == "seen titles") hits.num_seen = values.size();
  }
  return hits;
}

StudyInterval interval_of(std::span<const double> values, std::span<const int32_t> clusters,
                          uint64_t seed) {
  if (values.empty()) return {};
  const trainer::ClusterBootstrap bootstrap(clusters, kResamples, seed);
  double sum = 0;
  for (const double value : values) sum += value;
  const trainer::Interval interval = bootstrap.interval_of_mean(values);
  return {sum / static_cast<double>(values.size()), interval.low, interval.high};
}

StudyRow row_of(const nlohmann::json& result, const Hits& reference, uint64_t seed) {
  const Hits hits = hits_of(result);
  const std::span all = hits.all;
  const std::span clusters = hits.clusters;
  StudyRow row = {
      .strategy = result.at("strategy").get<std::string>(),
      .num_tracks = result.at("tracks").get<int64_t>(),
      .not_alone = result.at("not_alone").get<int64_t>(),
      .mean_tokens = result.at("mean_tokens").get<double>(),
      .decode_steps = result.at("decoding_steps").get<double>(),
      .rows_added = result.at("rows_added").get<int64_t>(),
      .invalid = result.at("invalid_share").get<double>(),
      .hits = interval_of(all, clusters, seed),
      .seen = interval_of(all.first(hits.num_seen), clusters.first(hits.num_seen), seed),
      .unseen = interval_of(all.subspan(hits.num_seen), clusters.subspan(hits.num_seen), seed),
      .train_seconds = result.at("train_seconds").get<double>()};
  const trainer::ClusterBootstrap bootstrap(clusters, kResamples, seed);
  row.p_value = bootstrap.compare(all, reference.all).p_value;
  double of_reference = 0;
  for (const double value : reference.all) of_reference += value;
  if (of_reference > 0) {
    row.ratio = row.hits.mean * static_cast<double>(reference.all.size()) / of_reference;
  }
  return row;
}

std::string words_of(const CompareArgs& a, const Study& study, const data::Dataset& dataset,
                     const nlohmann::json& result) {
  const Manifest& manifest = dataset.manifest();
  std::string options;
  for (const auto& [name, value] : study.train) options += fmt::format(" --{} {}", name, value);
  return fmt::format(
      "{} over {} tracks (dataset {}). One model a strategy, trained alike:{}.\nAsked: {} held-out "
      "titles of the {} part that also name a training playlist, {} that do not; beam {}, in the "
      "trie. hits@{}: mean over queries, 95 % interval by bootstrap over titles. '=': cannot be "
      "told from {} (p >= 0.05).\nunique?: share of tracks that the strategy alone does not tell "
      "apart; they got a number behind. steps: positions that the model is asked for, a title. "
      "invalid without trie: of the {} best sequences of {} titles.\n",
      manifest.config.value("simulated", false) ? "SIMULATED playlists" : "Playlists as imported,",
      count_words(dataset.num_tracks()), manifest.short_hash(), options,
      result.at("hits").at("seen titles").size(), a.measure.split,
      result.at("hits").at("unseen titles").size(), a.measure.beam, a.measure.k, a.reference,
      a.measure.k, result.at("free_titles").get<int64_t>());
}

void write_comparison(const CompareArgs& a, const Study& study, const data::Dataset& dataset,
                      const std::vector<nlohmann::json>& results) {
  Hits reference;
  for (const auto& result : results) {
    if (result.at("strategy") == a.reference) reference = hits_of(result);
  }
  std::vector<StudyRow> rows;
  for (const auto& result : results) rows.push_back(row_of(result, reference, a.measure.seed));
  const Table table = study_table(rows, a.measure.k, a.reference);
  const Table figures = study_figures(rows, a.measure.k);
  const std::string words = words_of(a, study, dataset, results.front());
  const std::filesystem::path out = a.out;
  write_file(out / "comparison.md", words + "\n" + markdown_table(table));
  write_file(out / "comparison.csv", csv_table(figures));
  nlohmann::json document = {{"dataset", dataset.manifest().hash},
                             {"simulated", dataset.manifest().config.value("simulated", false)},
                             {"reference", a.reference},
                             {"rows", nlohmann::json::array()},
                             {"cells", results}};
  for (size_t i = 1; i < figures.size(); ++i) {
    nlohmann::json row = {{"strategy", figures[i][0]}};
    for (size_t c = 1; c < figures[i].size(); ++c) {
      row[figures[0][c]] = nlohmann::json::parse(figures[i][c]);
    }
    document["rows"].push_back(std::move(row));
  }
  ResultFile(out / "comparison.json").commit(document);
  fmt::print("\n{}\n{}\n{}: comparison.md, comparison.csv, comparison.json\n", words,
             align_columns(table), a.out);
}

}  // namespace

int run_compare_ids(const std::vector<std::string>& args, Communicator& comm) {
  CompareArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  const Study study = read_study(a.config);
  check(a, study);
  drop_option_variables();
  at::set_num_threads(a.threads);
  if (comm.is_root()) make_folder(a.out, "--out");
  comm.barrier();

  Cells cells(study, a.out, a.dataset, a.threads, comm);
  std::vector<nlohmann::json> results;
  for (const StudyStrategy& strategy : study.strategies) {
    results.push_back(cells.result(strategy, a.measure));
    if (results.back().is_null()) return static_cast<int>(ExitCode::kStopped);
  }
  if (comm.is_root()) {
    write_comparison(a, study, data::Dataset::open(cells.dataset()), results);
  }
  return 0;
}

}  // namespace tutti::launch
