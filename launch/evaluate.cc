#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/requests.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "ids/embeddings.h"
#include "launch/commands.h"
#include "launch/evaluate/asked_sets.h"
#include "launch/evaluate/held_out.h"
#include "launch/evaluate/model_facts.h"
#include "launch/evaluate/outputs.h"
#include "launch/evaluation_origin.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/result_file.h"
#include "launch/search_options.h"
#include "launch/trained_system.h"
#include "trainer/baselines/bi_encoder_files.h"
#include "trainer/baselines/tuned_baselines.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/report.h"
#include "trainer/evaluate/track_facts.h"
#include "trainer/evaluate/trec_files.h"

namespace tutti::launch {

namespace {

constexpr int64_t kTuningQueries = 500;  // validation playlists a stratum: enough to rank settings

struct EvaluateArgs {
  std::string run, ids, dataset, embeddings, split = "test", json, dump_run;
  std::string prompts = "both", requests;
  std::vector<std::string> bi_encoders;
  bool allow_unknown = false;
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
      .add("bi-encoder", &a.bi_encoders,
           "folder of tutti train-biencoder, made from that dataset; again for further ones")
      .add("split", &a.split, "held-out playlists to ask: test | validation")
      .add("prompts", &a.prompts,
           "both: titles bare, then put into requests (\"any ideas for {}?\") | bare | requests")
      .add("requests", &a.requests,
           "a file of further templates; those of data/requests.txt are known")
      .add("allow-unknown", &a.allow_unknown,
           "go on with imported vectors that may have seen held-out playlists; the result says so")
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
  require_one_of("--prompts", a.prompts, {"both", "bare", "requests"});
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

Question question_of(const EvaluateArgs& a, const std::vector<std::string>& requests,
                     const Manifest& embeddings, int world_size) {
  std::vector<std::pair<std::string, std::string>> parts;
  if (std::filesystem::is_regular_file(a.run))
    parts.emplace_back("run file", sha256_of_file(a.run));
  if (!a.embeddings.empty()) parts.emplace_back("embeddings", embeddings.hash);
  for (const std::string& path : a.bi_encoders)
    parts.emplace_back("bi-encoder", read_manifest(path, trainer::kBiEncoderKind).hash);
  return {.split = a.split,
          .k = a.k,
          .depth = a.depth,
          .max_queries = a.max_queries,
          .seed = a.seed,
          .threads = a.threads,
          .ranks = world_size,
          .search = a.search,
          .prompts = prompts_words(a.prompts, requests),
          .parts = std::move(parts)};
}

// The templates that prompts are put into, which neither the model nor a bi-encoder was trained
// with; none: bare prompts only.
std::vector<std::string> requests_of(const EvaluateArgs& a, const Subject& subject) {
  if (a.prompts == "bare") {
    if (a.requests.empty()) return {};
    throw UsageError(Problem{"", "--requests", a.requests, "none with --prompts bare", ""});
  }
  data::RequestTemplates templates = data::bundled_requests();
  if (!a.requests.empty()) data::add_requests(a.requests, &templates);
  std::vector<std::string> requests = std::move(templates.evaluation);
  if (subject.trained) {
    data::require_apart(subject.trained->model.state.value("requests", std::vector<std::string>{}),
                        requests, subject.trained->model.path.string());
  }
  for (const std::string& path : a.bi_encoders) {
    const Manifest manifest = read_manifest(path, trainer::kBiEncoderKind);
    data::require_apart(manifest.config.value("templates", std::vector<std::string>{}), requests,
                        path);
  }
  return requests;
}

// What is asked: held-out playlists and prompts made of tags, bare and in requests.
std::vector<AskedSet> sets_of(const EvaluateArgs& a, const Subject& subject,
                              const std::vector<std::string>& requests) {
  std::vector<AskedSet> sets =
      asked_sets(subject.dataset(),
                 {.part = a.split == "test" ? data::Part::kTest : data::Part::kValidation,
                  .max_queries = a.max_queries,
                  .seed = a.seed},
                 requests);
  if (a.prompts == "requests")
    std::erase_if(sets, [](const AskedSet& s) { return !s.queries.in_requests(); });
  return sets;
}

// Vectors of another dataset, or of another split of it, may have seen held-out playlists: refused.
ids::LoadedEmbeddings open_embeddings(const std::string& path, const data::Dataset& dataset) {
  if (path.empty()) return {};
  auto loaded = ids::read_embeddings(path);
  require_made_from(path, loaded.manifest, "dataset", dataset.manifest());
  return loaded;
}

std::vector<trainer::EncodedCatalog> open_bi_encoders(const std::vector<std::string>& paths,
                                                      const data::Dataset& dataset) {
  std::vector<trainer::EncodedCatalog> opened;
  for (const std::string& path : paths) {
    opened.push_back(trainer::read_bi_encoder(path, dataset.manifest(), dataset.num_tracks()));
  }
  return opened;
}

// The systems that a set is asked of: the model last, an oracle first, where the prompts are made
// of what it knows.
struct Systems {
  std::vector<trainer::Ranker*> baselines;
  trainer::Ranker* oracle = nullptr;
  trainer::Ranker* model = nullptr;

  std::vector<trainer::Ranker*> of(const AskedSet& set) const {
    std::vector<trainer::Ranker*> rankers = baselines;
    if (oracle != nullptr && !set.is_playlists) rankers.insert(rankers.begin(), oracle);
    if (model != nullptr) rankers.push_back(model);
    return rankers;
  }
};

}  // namespace

int run_evaluate(const std::vector<std::string>& args, Communicator& comm) {
  EvaluateArgs a;
  Options options(
      "evaluate",
      "Ranks tracks for the titles of held-out playlists and for editorial prompts, bare and in "
      "requests, and sets the trained model beside popularity, title vote, query likelihood, BM25 "
      "and more, each tuned on validation playlists.",
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
  const TrainedSystem* trained = subject.trained ? &*subject.trained : nullptr;
  const ids::LoadedEmbeddings vectors = open_embeddings(a.embeddings, dataset);
  trainer::Report report{.heading = heading_of(a, subject), .k = a.k};
  for (const auto& [path, manifest] :
       {std::pair(a.embeddings, &vectors.manifest),
        {a.ids, trained != nullptr ? &trained->ids.manifest : nullptr}}) {
    if (manifest == nullptr) continue;
    const std::string note = held_out_note(path, *manifest, a.allow_unknown);
    if (!note.empty()) report.heading.push_back(note);
  }
  const std::vector<std::string> requests = requests_of(a, subject);
  const std::vector<AskedSet> sets = sets_of(a, subject, requests);
  const std::vector<trainer::EncodedCatalog> bi_encoders = open_bi_encoders(a.bi_encoders, dataset);

  log::info("building the baselines on training playlists, tuning them on validation playlists");
  const auto tuning = trainer::make_playlist_queries(
      dataset, {.part = data::Part::kValidation, .max_queries = kTuningQueries, .seed = a.seed});
  const auto& [num_rows, dim, values, support] = vectors.embeddings;
  trainer::TunedBaselines baselines(dataset, {tuning.seen, tuning.unseen}, a.k, comm, {values, dim},
                                    bi_encoders);
  Systems systems{.baselines = baselines.rankers(), .oracle = baselines.oracle()};
  std::optional<trainer::GenerativeRanker> generative;
  if (trained != nullptr) systems.model = &generative.emplace(trained->ranker(a.search));

  const trainer::TrecNames names(dataset.catalog().track_keys);
  const auto facts = std::make_shared<const trainer::TrackFacts>(
      trainer::make_track_facts(dataset.catalog(), baselines.popularity().counts(), values, dim));
  report.metrics = metrics_of(a, facts);
  trainer::EvaluationOptions evaluation = {
      .metrics = report.metrics, .depth = a.depth, .keep_lists = true};
  int64_t num_titles = 0, ranked_titles = 0;
  for (const AskedSet& set : sets) num_titles += std::ssize(set.queries.titles);
  double generative_seconds = 0;
  std::vector<std::vector<int32_t>> generative_lists;
  nlohmann::json examples = nlohmann::json::array();  // of each block
  Progress progress("evaluate", num_titles, "titles", ProgressView::of_process(comm));
  for (const AskedSet& asked : sets) {
    const trainer::QuerySet& set = asked.queries;
    std::vector<trainer::Evaluation> results;
    const std::vector<trainer::Ranker*> rankers = systems.of(asked);
    for (trainer::Ranker* ranker : rankers) {
      // Rank 0 sees its own share only; the others keep pace.
      int64_t ranked_here = 0;
      evaluation.on_ranked = [&](int64_t n) {
        if (ranker != rankers.back()) return;
        ranked_here = std::min(ranked_here + n * comm.size(), std::ssize(set.titles));
        progress.set(ranked_titles + ranked_here);
      };
      results.push_back(trainer::evaluate(*ranker, set, evaluation, comm));
      results.back().is_oracle = !asked.is_playlists && baselines.has_read_tags(ranker);
    }
    ranked_titles += std::ssize(set.titles);
    if (generative) generative_seconds += results.back().seconds;
    if (trained == nullptr && set.size() > 0) {
      const trainer::TrecRun run = trainer::read_trec_run(a.run, set, names);
      if (run.unanswered > 0) {
        log::warn(fmt::format("{}: {} of {} topics of '{}' have no line and score 0", a.run,
                              run.unanswered, set.size(), set.name));
      }
      results.push_back(trainer::evaluate_lists(run.tag, run.lists, set, evaluation));
    }
    if (comm.is_root() && !a.dump_run.empty()) dump_trec(a.dump_run, set, names, results);
    if (comm.is_root()) {
      report.blocks.push_back(
          trainer::make_block(set, asked.meaning, results, a.k, a.seed, &dataset.titles()));
      examples.push_back(example_lists(set, dataset.catalog(), results, a.k));
    }
    if (generative) {
      for (const auto& list : results.back().lists) {
        auto& tracks = generative_lists.emplace_back();
        for (const auto& r : list) tracks.push_back(r.track);
      }
    }
  }
  progress.finish();

  nlohmann::json nats;
  if (trained != nullptr) nats = nats_of(*trained, sets, comm, &report.notes);
  report.notes.emplace_back(
      "baselines see training playlists; their parameters are the best of a grid on validation "
      "playlists");
  if (!comm.is_root()) return 0;
  nlohmann::json about_model = nlohmann::json::object();
  if (generative) {
    report.notes.push_back(fmt::format(
        "generative: {}, {:.1f} titles/s ({} titles, {} rank(s) x {} thread(s))", a.search.words(),
        generative_seconds > 0 ? static_cast<double>(num_titles) / generative_seconds : 0,
        num_titles, comm.size(), a.threads));
    describe_model(*trained, *generative, generative_lists, sets, a.k, &about_model, &report.notes);
  }
  const Question question = question_of(a, requests, vectors.manifest, comm.size());
  report.notes.push_back(signature_of(dataset, trained, question));
  fmt::print("{}\n{}", trainer::format_report(report), trainer::format_beyond_accuracy(report));
  if (!result) return 0;
  nlohmann::json document = trainer::to_json(report);
  add_origin(&document, dataset, trained, question);
  document.update(about_model);
  if (trained != nullptr) document["trie_nats"] = nats;
  for (size_t i = 0; i < examples.size(); ++i) document["blocks"][i]["examples"] = examples[i];
  result->commit(document);
  return 0;
}

}  // namespace tutti::launch
