#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "ids/embeddings.h"
#include "launch/commands.h"
#include "launch/evaluation_origin.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/result_file.h"
#include "launch/search_options.h"
#include "launch/trained_system.h"
#include "trainer/baselines/tuned_baselines.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/report.h"
#include "trainer/evaluate/track_facts.h"
#include "trainer/evaluate/trec_files.h"
#include "trainer/evaluate/trie_nats.h"

namespace tutti::launch {

namespace {

constexpr size_t kPlaylistSets = 2;  // of query_sets(): prompts may have any number of right tracks
constexpr int64_t kNatsQueries = 500;    // a stratum, for the cross-entropy
constexpr int64_t kTuningQueries = 500;  // validation playlists a stratum: enough to rank settings

struct EvaluateArgs {
  std::string run, ids, dataset, embeddings, split = "test", json, dump_run;
  SearchOptions search;
  int k = 10, depth = 0, threads = 1;
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
      .add("embeddings", &a.embeddings,
           "collaborative vectors of that dataset (tutti embed cf): a row of the tracks nearest to "
           "those of near titles, and distances within lists")
      .add("split", &a.split, "held-out playlists to ask: test | validation")
      .add("k", &a.k, "places of a list that count in the table")
      .add("depth", &a.depth, "tracks a list; more than --beam widens the search; 0: --beam");
  a.search.declare(options);
  options
      .add("max-queries", &a.max_queries,
           "cap a block of the table; a fixed sample is drawn; 0: all")
      .add("seed", &a.seed, "of that sample")
      .add("json", &a.json, "file for the figures and the hashes of what they were made from")
      .add("dump-run", &a.dump_run,
           "folder for TREC files: topics and qrels of every block, a run of every system")
      .add("threads", &a.threads, "threads a rank");
}

void check(EvaluateArgs& a) {
  require_at_least("--k", a.k, 1);
  require_at_least("--threads", a.threads, 1);
  a.search.check();
  if (a.max_queries < 0) {
    throw UsageError(
        Problem{"", "--max-queries", std::to_string(a.max_queries), "0 (all) or more", ""});
  }
  require_one_of("--split", a.split, {"test", "validation"});
  if (a.depth == 0) a.depth = std::max(a.search.beam, a.k);
  require_at_least("--depth", a.depth, a.k);
}

// The cutoffs of the field and the one asked for, as far as the lists reach.
trainer::MetricSet metrics_of(const EvaluateArgs& a,
                              std::shared_ptr<const trainer::TrackFacts> facts) {
  std::vector<int> cutoffs = {a.k};
  for (const int k : {1, 5, 10, 20, 100}) {
    if (k <= a.depth && k != a.k) cutoffs.push_back(k);
  }
  std::sort(cutoffs.begin(), cutoffs.end());
  return {cutoffs, a.k, std::move(facts)};
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

Question question_of(const EvaluateArgs& a, int world_size) {
  return {.split = a.split,
          .k = a.k,
          .depth = a.depth,
          .max_queries = a.max_queries,
          .seed = a.seed,
          .threads = a.threads,
          .ranks = world_size,
          .search = a.search};
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

// Vectors of another dataset, or of another split of it, may have seen held-out playlists: refused.
ids::LoadedEmbeddings open_embeddings(const std::string& path, const data::Dataset& dataset) {
  if (path.empty()) return {};
  auto loaded = ids::read_embeddings(path);
  require_made_from(path, loaded.manifest, "dataset", dataset.manifest());
  return loaded;
}

// One title at a time, as a listener waits for it: rank 0's milliseconds, ascending.
std::vector<double> latencies_of(trainer::Ranker& ranker, const std::vector<std::string>& titles,
                                 int k) {
  constexpr size_t kTitles = 200;
  std::vector<double> milliseconds;
  for (const std::string& title : std::span(titles).first(std::min(kTitles, titles.size()))) {
    const auto start = std::chrono::steady_clock::now();
    ranker.rank({&title, 1}, k);
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return milliseconds;
}

double quantile_of(const std::vector<double>& ascending, double q) {
  return ascending[std::min(ascending.size() - 1,
                            static_cast<size_t>(q * static_cast<double>(ascending.size())))];
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
  if (comm.is_root() && !a.dump_run.empty()) make_folder(a.dump_run, "--dump-run");
  const Subject subject = open_subject(a);
  const data::Dataset& dataset = subject.dataset();

  log::info("building the baselines on training playlists, tuning them on validation playlists");
  const auto tuning = trainer::make_playlist_queries(
      dataset, {.part = data::Part::kValidation, .max_queries = kTuningQueries, .seed = a.seed});
  const ids::LoadedEmbeddings vectors = open_embeddings(a.embeddings, dataset);
  const auto& [num_rows, dim, values, support] = vectors.embeddings;
  trainer::TunedBaselines baselines(dataset, {tuning.seen, tuning.unseen}, a.k, comm,
                                    {values, dim});
  std::vector<trainer::Ranker*> rankers = baselines.rankers();
  std::optional<trainer::GenerativeRanker> generative;
  if (subject.trained) rankers.push_back(&generative.emplace(subject.trained->ranker(a.search)));

  const auto sets = query_sets(dataset, a);
  const trainer::TrecNames names(dataset.catalog().track_keys);
  const auto facts = std::make_shared<const trainer::TrackFacts>(
      trainer::make_track_facts(dataset.catalog(), baselines.popularity().counts(), values, dim));
  trainer::Report report{
      .heading = heading_of(a, subject), .k = a.k, .metrics = metrics_of(a, facts)};
  trainer::EvaluationOptions evaluation = {
      .metrics = report.metrics, .depth = a.depth, .keep_lists = true};
  int64_t num_titles = 0, ranked_titles = 0;
  for (const auto& [set, meaning] : sets) num_titles += std::ssize(set.titles);
  double generative_seconds = 0;
  std::vector<std::vector<int32_t>> generative_lists;
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
    if (comm.is_root()) {
      report.blocks.push_back(
          trainer::make_block(set, meaning, systems, a.k, a.seed, &dataset.titles()));
    }
    if (generative) {
      for (const auto& list : systems.back().lists) {
        auto& tracks = generative_lists.emplace_back();
        for (const auto& r : list) tracks.push_back(r.track);
      }
    }
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
        "generative: {}, {:.1f} titles/s ({} titles, {} rank(s) x {} thread(s))", a.search.words(),
        generative_seconds > 0 ? static_cast<double>(num_titles) / generative_seconds : 0,
        num_titles, comm.size(), a.threads));
  }
  if (!comm.is_root()) return 0;
  nlohmann::json about_ids, latency;
  if (generative) {
    const double aliased =
        trainer::aliased_share(generative_lists, subject.trained->ids.table, a.k);
    const double distinct = trainer::use_of(generative_lists, dataset.num_tracks(), a.k).distinct;
    about_ids = {{"distinct", distinct}, {"aliased", aliased}};
    report.notes.push_back(
        fmt::format("generative: every ID is a track's (searched in the trie), {:.1f} % of a list "
                    "are different, {:.1f} % share their codes with another track",
                    1e2 * distinct, 1e2 * aliased));
    const auto& asked =
        std::max_element(sets.begin(), sets.end(), [](const auto& x, const auto& y) {
          return x.first.titles.size() < y.first.titles.size();
        })->first.titles;
    if (const auto ms = latencies_of(*generative, asked, a.k); !ms.empty()) {
      latency = {{"titles", ms.size()},
                 {"p50_ms", quantile_of(ms, 0.5)},
                 {"p95_ms", quantile_of(ms, 0.95)},
                 {"p99_ms", quantile_of(ms, 0.99)}};
      report.notes.push_back(fmt::format(
          "generative, one title at a time: {:.1f} ms (median), 95 % within {:.1f}, 99 % {:.1f}",
          quantile_of(ms, 0.5), quantile_of(ms, 0.95), quantile_of(ms, 0.99)));
    }
  }
  const TrainedSystem* trained = subject.trained ? &*subject.trained : nullptr;
  report.notes.push_back(signature_of(dataset, trained, question_of(a, comm.size())));
  fmt::print("{}\n{}", trainer::format_report(report), trainer::format_beyond_accuracy(report));
  if (!result) return 0;
  nlohmann::json document = trainer::to_json(report);
  add_origin(&document, dataset, trained, question_of(a, comm.size()));
  if (generative) {
    document["ids"] = about_ids;
    document["latency"] = latency;
  }
  for (size_t i = 0; i < nats.size(); ++i) {
    document["trie_nats"][sets[i].first.name] = {{"nats_a_track", nats[i].mean},
                                                 {"tracks", nats[i].num_tracks}};
  }
  result->commit(document);
  return 0;
}

}  // namespace tutti::launch
