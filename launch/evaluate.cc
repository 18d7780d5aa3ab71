#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/trained_system.h"
#include "trainer/baselines/bm25.h"
#include "trainer/baselines/popularity.h"
#include "trainer/baselines/tune_bm25.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/report.h"

namespace tutti::launch {

namespace {

constexpr int64_t kTuningQueries = 500;  // validation playlists a stratum: enough to rank settings

struct EvaluateArgs {
  std::string run, ids, dataset, split = "test", json;
  int k = 10, beam = 32, threads = 1;
  int64_t max_queries = 2000;
  uint64_t seed = 0;
};

void declare(Options& options, EvaluateArgs& a) {
  options.require("run", &a.run, "run folder (its newest checkpoint) or checkpoint folder")
      .require("ids", &a.ids, "ID table folder that the run was trained with")
      .require("dataset", &a.dataset, "dataset folder that both were made from")
      .add("split", &a.split, "held-out playlists to ask: test | validation")
      .add("k", &a.k, "places of a list that count")
      .add("beam", &a.beam, "partial IDs that are followed; at least k")
      .add("max-queries", &a.max_queries,
           "cap a block of the table; a fixed sample is drawn; 0: all")
      .add("seed", &a.seed, "of that sample")
      .add("json", &a.json, "file for the figures and the hashes of what they were made from")
      .add("threads", &a.threads, "threads a rank");
}

void check(const EvaluateArgs& a) {
  for (const auto& [option, value] :
       {std::pair("--k", a.k), {"--beam", a.beam}, {"--threads", a.threads}}) {
    require_at_least(option, value, 1);
  }
  if (a.max_queries < 0) {
    throw UsageError(
        Problem{"", "--max-queries", std::to_string(a.max_queries), "0 (all) or more", ""});
  }
  require_one_of("--split", a.split, {"test", "validation"});
}

// A file that appears whole by rename, or not at all. It is opened before the long work, so that a
// folder that cannot be written is said at once.
class ResultFile {
 public:
  explicit ResultFile(std::filesystem::path path)
      : path_(std::move(path)), partial_(path_.string() + ".partial"), out_(partial_) {
    if (!out_) fail();
  }
  ~ResultFile() {
    std::error_code ignored;
    std::filesystem::remove(partial_, ignored);
  }
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  void commit(const nlohmann::json& document) {
    out_ << document.dump(2) << "\n";
    out_.close();
    std::error_code problem;
    if (out_) std::filesystem::rename(partial_, path_, problem);
    if (!out_ || problem) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw StorageError(Problem{path_.string(), "", "", "a file that can be written", ""});
  }

  std::filesystem::path path_, partial_;
  std::ofstream out_;
};

std::vector<std::string> heading_of(const EvaluateArgs& a, const TrainedSystem& system) {
  const Manifest& dataset = system.dataset.manifest();
  const bool simulated = dataset.config.value("simulated", false);
  const std::string tracks = count_words(system.dataset.num_tracks());
  const std::string playlists =
      simulated ? fmt::format(
                      "SIMULATED playlists over a catalogue of {} tracks (tutti synth): no "
                      "listener made them.",
                      tracks)
                : fmt::format("Playlists as imported, over {} tracks.", tracks);
  return {playlists,
          fmt::format("Held out: {} part. Metrics are per track, means over queries, k = {}.",
                      a.split, a.k),
          fmt::format("dataset {}  ids {}  checkpoint {} (step {})", dataset.short_hash(),
                      system.ids.manifest.short_hash(), system.model.manifest.short_hash(),
                      system.model.state.value("step", int64_t{0}))};
}

nlohmann::json with_origin(nlohmann::json document, const EvaluateArgs& a,
                           const TrainedSystem& system, const trainer::Bm25Parameters& bm25,
                           int world_size) {
  document["dataset"] = system.dataset.manifest().hash;
  document["simulated"] = system.dataset.manifest().config.value("simulated", false);
  document["id_table"] = system.ids.manifest.hash;
  document["checkpoint"] = {{"hash", system.model.manifest.hash},
                            {"step", system.model.state.value("step", int64_t{0})}};
  document["options"] = {
      {"split", a.split}, {"beam", a.beam}, {"max_queries", a.max_queries}, {"seed", a.seed}};
  document["bm25"] = {{"k1", bm25.k1}, {"b", bm25.b}};
  document["ranks"] = world_size;
  document["threads"] = a.threads;
  return document;
}

}  // namespace

int run_evaluate(const std::vector<std::string>& args, Communicator& comm) {
  EvaluateArgs a;
  Options options(
      "evaluate",
      "Ranks tracks for the titles of held-out playlists and for editorial prompts, "
      "and sets the trained model beside popularity and a BM25 tuned on validation "
      "playlists.",
      "mpirun -n 2 tutti evaluate --run run --ids ids --dataset data --json scores.json");
  declare(options, a);
  if (!options.parse(args)) return 0;
  check(a);
  at::set_num_threads(a.threads);
  std::optional<ResultFile> result;
  if (comm.is_root() && !a.json.empty()) result.emplace(a.json);
  const TrainedSystem system = open_trained_system(a.dataset, a.ids, a.run);

  trainer::PopularityRanker popularity(system.dataset);
  log::info("building the BM25 index of training titles, tuning it on validation playlists");
  const trainer::Bm25Index index = trainer::Bm25Index::build(system.dataset);
  const auto tuning = trainer::make_playlist_queries(
      system.dataset,
      {.part = data::Part::kValidation, .max_queries = kTuningQueries, .seed = a.seed});
  const trainer::Bm25Parameters parameters =
      trainer::tune_bm25(index, popularity, {tuning.seen, tuning.unseen}, a.k, comm);
  trainer::Bm25Ranker bm25(index, popularity, parameters);
  trainer::GenerativeRanker generative = system.ranker(a.beam);

  const trainer::QueryOptions query_options = {
      .part = a.split == "test" ? data::Part::kTest : data::Part::kValidation,
      .max_queries = a.max_queries,
      .seed = a.seed};
  auto playlists = trainer::make_playlist_queries(system.dataset, query_options);
  const std::vector<std::pair<trainer::QuerySet, std::string>> sets = {
      {std::move(playlists.seen), "held-out playlists, their title also names a training playlist"},
      {std::move(playlists.unseen), "held-out playlists, no training playlist has their title"},
      {trainer::make_editorial_query_set(system.dataset.catalog(), query_options),
       "words of two or three tags; right are the tracks that carry them all"}};

  trainer::Report report{.heading = heading_of(a, system), .k = a.k, .blocks = {}, .notes = {}};
  int64_t num_titles = 0, ranked_titles = 0;
  for (const auto& [set, meaning] : sets) num_titles += std::ssize(set.titles);
  double generative_seconds = 0;
  Progress progress("evaluate", num_titles, "titles", ProgressView::of_process(comm));
  for (const auto& [set, meaning] : sets) {
    trainer::ReportBlock block{
        .name = set.name, .meaning = meaning, .num_candidates = set.num_candidates, .rows = {}};
    const int64_t ranked_before = ranked_titles;
    // Rank 0 sees its own share only; the others keep pace.
    const auto advance = [&](int64_t n) {
      ranked_titles =
          std::min(ranked_titles + n * comm.size(), ranked_before + std::ssize(set.titles));
      progress.set(ranked_titles);
    };
    block.rows.push_back(trainer::evaluate(popularity, set, {.k = a.k}, comm));
    block.rows.push_back(trainer::evaluate(bm25, set, {.k = a.k}, comm));
    block.rows.push_back(
        trainer::evaluate(generative, set, {.k = a.k, .on_ranked = advance}, comm));
    ranked_titles = ranked_before + std::ssize(set.titles);
    generative_seconds += block.rows.back().seconds;
    report.blocks.push_back(std::move(block));
  }
  progress.finish();

  report.notes.emplace_back(
      "BM25: documents are training titles; k1 and b are the best of a grid "
      "on validation playlists");
  report.notes.push_back(fmt::format(
      "generative: beam {}, {:.1f} titles/s ({} titles, {} rank(s) x {} thread(s))", a.beam,
      generative_seconds > 0 ? static_cast<double>(num_titles) / generative_seconds : 0, num_titles,
      comm.size(), a.threads));
  if (!comm.is_root()) return 0;
  fmt::print("{}", trainer::format_report(report));
  if (result) {
    result->commit(with_origin(trainer::to_json(report), a, system, parameters, comm.size()));
  }
  return 0;
}

}  // namespace tutti::launch
