#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
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
#include "launch/result_file.h"
#include "launch/trained_system.h"
#include "trainer/baselines/tuned_baselines.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/report.h"
#include "trainer/evaluate/trec_files.h"
#include "trainer/evaluate/trie_nats.h"

namespace tutti::launch {

namespace {

constexpr size_t kPlaylistSets = 2;  // of query_sets(): prompts may have any number of right tracks
constexpr int64_t kNatsQueries = 500;    // a stratum, for the cross-entropy
constexpr int64_t kTuningQueries = 500;  // validation playlists a stratum: enough to rank settings

struct EvaluateArgs {
  std::string run, ids, dataset, split = "test", json, dump_run;
  int k = 10, depth = 0, beam = 32, threads = 1;
  int64_t max_queries = 2000;
  uint64_t seed = 0;
};

void declare(Options& options, EvaluateArgs& a) {
  options
      .require("run", &a.run,
               "run folder (its newest checkpoint), checkpoint folder, or a TREC run file that "
               "another system made for the topics of --dump-run")
      .add("ids", &a.ids, "ID table folder that the run was trained with; not for a run file")
      .require("dataset", &a.dataset, "dataset folder that both were made from")
      .add("split", &a.split, "held-out playlists to ask: test | validation")
      .add("k", &a.k, "places of a list that count in the table")
      .add("depth", &a.depth, "tracks a list, at most --beam for the model; 0: --beam")
      .add("beam", &a.beam, "partial IDs that are followed; at least k")
      .add("max-queries", &a.max_queries,
           "cap a block of the table; a fixed sample is drawn; 0: all")
      .add("seed", &a.seed, "of that sample")
      .add("json", &a.json, "file for the figures and the hashes of what they were made from")
      .add("dump-run", &a.dump_run,
           "folder for TREC files: topics and qrels of every block, a run of every system")
      .add("threads", &a.threads, "threads a rank");
}

void check(EvaluateArgs& a) {
  for (const auto& [option, value] :
       {std::pair("--k", a.k), {"--beam", a.beam}, {"--threads", a.threads}}) {
    require_at_least(option, value, 1);
  }
  if (a.max_queries < 0) {
    throw UsageError(
        Problem{"", "--max-queries", std::to_string(a.max_queries), "0 (all) or more", ""});
  }
  require_one_of("--split", a.split, {"test", "validation"});
  if (a.depth == 0) a.depth = std::max(a.beam, a.k);
  require_at_least("--depth", a.depth, a.k);
}

// The cutoffs of the field and the one asked for, as far as the lists reach.
trainer::MetricSet metrics_of(const EvaluateArgs& a) {
  std::vector<int> cutoffs = {a.k};
  for (const int k : {1, 5, 10, 20, 100}) {
    if (k <= a.depth && k != a.k) cutoffs.push_back(k);
  }
  std::sort(cutoffs.begin(), cutoffs.end());
  return trainer::MetricSet(cutoffs);
}

// Opens what is asked: our model with all it was made of, or the dataset alone and the lists of
// another system.
struct Subject {
  std::optional<TrainedSystem> trained;
  std::optional<data::Dataset> dataset_of_run_file;

  const data::Dataset& dataset() const { return trained ? trained->dataset : *dataset_of_run_file; }
};

Subject open_subject(const EvaluateArgs& a) {
  Subject subject;
  if (std::filesystem::is_regular_file(a.run)) {
    if (!a.ids.empty()) {
      throw UsageError(
          Problem{"", "--ids", a.ids, "no ID table when --run is a TREC run file", ""});
    }
    subject.dataset_of_run_file = data::Dataset::open(a.dataset);
    return subject;
  }
  if (a.ids.empty()) {
    throw UsageError(
        Problem{"", "--ids", "nothing", "the ID table folder that the run was trained with", ""});
  }
  subject.trained = open_trained_system(a.dataset, a.ids, a.run);
  return subject;
}

std::vector<std::string> heading_of(const EvaluateArgs& a, const Subject& subject) {
  const Manifest& dataset = subject.dataset().manifest();
  const std::string tracks = count_words(subject.dataset().num_tracks());
  const std::string playlists =
      dataset.config.value("simulated", false)
          ? fmt::format(
                "SIMULATED playlists over a catalogue of {} tracks (tutti synth): no "
                "listener made them.",
                tracks)
          : fmt::format("Playlists as imported, over {} tracks.", tracks);
  std::string origin = fmt::format("dataset {}", dataset.short_hash());
  if (subject.trained) {
    const auto& [manifest, state] =
        std::tie(subject.trained->model.manifest, subject.trained->model.state);
    origin +=
        fmt::format("  ids {}  checkpoint {} (step {})", subject.trained->ids.manifest.short_hash(),
                    manifest.short_hash(), state.value("step", int64_t{0}));
  }
  return {playlists,
          fmt::format("Held out: {} part. Metrics are per track, means over queries; lists of {}.",
                      a.split, a.depth),
          origin};
}

nlohmann::json with_origin(nlohmann::json document, const EvaluateArgs& a, const Subject& subject,
                           int world_size) {
  document["dataset"] = subject.dataset().manifest().hash;
  document["simulated"] = subject.dataset().manifest().config.value("simulated", false);
  if (subject.trained) {
    document["id_table"] = subject.trained->ids.manifest.hash;
    document["checkpoint"] = {{"hash", subject.trained->model.manifest.hash},
                              {"step", subject.trained->model.state.value("step", int64_t{0})}};
  }
  document["options"] = {{"split", a.split},
                         {"beam", a.beam},
                         {"depth", a.depth},
                         {"max_queries", a.max_queries},
                         {"seed", a.seed}};
  document["ranks"] = world_size;
  document["threads"] = a.threads;
  return document;
}

std::vector<std::pair<trainer::QuerySet, std::string>> query_sets(const data::Dataset& dataset,
                                                                  const EvaluateArgs& a) {
  const trainer::QueryOptions options = {
      .part = a.split == "test" ? data::Part::kTest : data::Part::kValidation,
      .max_queries = a.max_queries,
      .seed = a.seed};
  auto playlists = trainer::make_playlist_queries(dataset, options);
  return {
      {std::move(playlists.seen), "held-out playlists, their title also names a training playlist"},
      {std::move(playlists.unseen), "held-out playlists, no training playlist has their title"},
      {trainer::make_editorial_query_set(dataset.catalog(), options),
       "words of two or three tags; right are the tracks that carry them all"}};
}

// "BM25 (k1 0.2, b 0)" -> "BM25": the name of a run and of its file.
std::string tag_of(const std::string& ranker) {
  std::string tag = ranker.substr(0, ranker.find(" ("));
  std::replace(tag.begin(), tag.end(), ' ', '_');
  return tag;
}

// NAME.topics.tsv, NAME.qrels and NAME.SYSTEM.run for a set.
void dump_set(const std::filesystem::path& folder, const trainer::QuerySet& set,
              const trainer::TrecNames& names, const std::vector<trainer::Evaluation>& systems) {
  std::string stem = set.name;
  std::replace(stem.begin(), stem.end(), ' ', '_');
  trainer::write_trec_topics(folder / (stem + ".topics.tsv"), set);
  trainer::write_trec_qrels(folder / (stem + ".qrels"), set, names);
  for (const trainer::Evaluation& system : systems) {
    if (system.lists.empty()) continue;  // read from a file itself
    const std::string tag = tag_of(system.ranker);
    trainer::write_trec_run(folder / fmt::format("{}.{}.run", stem, tag), set, system.lists, names,
                            tag);
  }
}

void make_dump_folder(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) {
    throw StorageError(
        Problem{path, "--dump-run", problem.message(), "a folder to write into", ""});
  }
}

}  // namespace

int run_evaluate(const std::vector<std::string>& args, Communicator& comm) {
  EvaluateArgs a;
  Options options(
      "evaluate",
      "Ranks tracks for the titles of held-out playlists and for editorial prompts, "
      "and sets the trained model beside popularity, title vote, query likelihood and BM25, "
      "each tuned on validation playlists.",
      "mpirun -n 2 tutti evaluate --run run --ids ids --dataset data --json scores.json");
  declare(options, a);
  if (!options.parse(args)) return 0;
  check(a);
  at::set_num_threads(a.threads);
  std::optional<ResultFile> result;
  if (comm.is_root() && !a.json.empty()) result.emplace(a.json);
  if (comm.is_root() && !a.dump_run.empty()) make_dump_folder(a.dump_run);
  const Subject subject = open_subject(a);
  const data::Dataset& dataset = subject.dataset();

  log::info("building the baselines on training playlists, tuning them on validation playlists");
  const auto tuning = trainer::make_playlist_queries(
      dataset, {.part = data::Part::kValidation, .max_queries = kTuningQueries, .seed = a.seed});
  trainer::TunedBaselines baselines(dataset, {tuning.seen, tuning.unseen}, a.k, comm);
  std::vector<trainer::Ranker*> rankers = baselines.rankers();
  std::optional<trainer::GenerativeRanker> generative;
  if (subject.trained) rankers.push_back(&generative.emplace(subject.trained->ranker(a.beam)));

  const auto sets = query_sets(dataset, a);
  const trainer::TrecNames names(dataset.catalog().track_keys);
  trainer::Report report{.heading = heading_of(a, subject), .k = a.k, .metrics = metrics_of(a)};
  trainer::EvaluationOptions evaluation = {
      .metrics = report.metrics, .depth = a.depth, .keep_lists = !a.dump_run.empty()};
  int64_t num_titles = 0, ranked_titles = 0;
  for (const auto& [set, meaning] : sets) num_titles += std::ssize(set.titles);
  double generative_seconds = 0;
  Progress progress("evaluate", num_titles, "titles", ProgressView::of_process(comm));
  for (const auto& [set, meaning] : sets) {
    std::vector<trainer::Evaluation> systems;
    for (trainer::Ranker* ranker : rankers) {
      // Rank 0 sees its own share only; the others keep pace.
      int64_t ranked_here = 0;
      evaluation.on_ranked = [&](int64_t n) {
        if (ranker != rankers.back()) return;
        ranked_here = std::min(ranked_here + n * comm.size(), std::ssize(set.titles));
        progress.set(ranked_titles + ranked_here);
      };
      systems.push_back(trainer::evaluate(*ranker, set, evaluation, comm));
    }
    ranked_titles += std::ssize(set.titles);
    if (generative) generative_seconds += systems.back().seconds;
    if (!subject.trained && set.size() > 0) {
      const trainer::TrecRun run = trainer::read_trec_run(a.run, set, names);
      if (run.unanswered > 0) {
        log::warn(fmt::format("{}: {} of {} topics of '{}' have no line and score 0", a.run,
                              run.unanswered, set.size(), set.name));
      }
      systems.push_back(trainer::evaluate_lists(run.tag, run.lists, set, evaluation));
    }
    if (comm.is_root() && !a.dump_run.empty()) dump_set(a.dump_run, set, names, systems);
    report.blocks.push_back(trainer::make_block(set, meaning, systems, a.k, a.seed));
  }
  progress.finish();

  // Comparable between softmaxes, which decoding scores are not.
  std::vector<trainer::TrieNats> nats;
  if (subject.trained) {
    const TrainedSystem& trained = *subject.trained;
    for (size_t i = 0; i < kPlaylistSets; ++i) {
      const trainer::QuerySet& set = sets[i].first;
      nats.push_back(trainer::trie_nats(*trained.model.model, trained.model.tokenizer,
                                        trained.ids.table, trained.trie, set, kNatsQueries, comm));
      if (nats.back().num_tracks == 0) continue;
      report.notes.push_back(
          fmt::format("generative on {}: {:.3f} trie-normalised nats a track ({})", set.name,
                      nats.back().mean, count_words(nats.back().num_tracks)));
    }
  }
  report.notes.emplace_back(
      "baselines see training playlists; their parameters are the best of a grid on validation "
      "playlists");
  if (generative) {
    report.notes.push_back(fmt::format(
        "generative: beam {}, {:.1f} titles/s ({} titles, {} rank(s) x {} thread(s))", a.beam,
        generative_seconds > 0 ? static_cast<double>(num_titles) / generative_seconds : 0,
        num_titles, comm.size(), a.threads));
  }
  if (!comm.is_root()) return 0;
  fmt::print("{}", trainer::format_report(report));
  if (!result) return 0;
  nlohmann::json document = with_origin(trainer::to_json(report), a, subject, comm.size());
  for (size_t i = 0; i < nats.size(); ++i) {
    document["trie_nats"][sets[i].first.name] = {{"nats_a_track", nats[i].mean},
                                                 {"tracks", nats[i].num_tracks}};
  }
  result->commit(document);
  return 0;
}

}  // namespace tutti::launch
