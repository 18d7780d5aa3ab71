#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "ids/continuation.h"
#include "ids/priors.h"
#include "launch/commands.h"
#include "launch/embed_options.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/text_table.h"

namespace tutti::launch {
namespace {

struct EvaluateArgs {
  std::string dataset, json;
  EmbedOptions embed;
  ids::ContinuationOptions continuation;
};

Options declare(EvaluateArgs& a) {
  Options options(
      "embed evaluate",
      "Says how well vectors of these options continue playlists: trains as `embed cf` does "
      "while half the tracks of some training playlists are hidden, then looks for them. Writes "
      "no embeddings. Held-out playlists of the dataset stay untouched.",
      "mpirun -n 2 tutti embed evaluate --dataset data --dim 64 --regularization 0.005");
  options.require("dataset", &a.dataset, "dataset folder");
  add_embed_options(options, a.embed);
  options
      .add("playlists", &a.continuation.num_playlists,
           "training playlists with hidden tracks, about; at most a tenth of all")
      .add("k", &a.continuation.k, "places of the ranked list that nDCG and recall look at")
      .add("split-seed", &a.continuation.seed, "of what is hidden")
      .add("json", &a.json, "file for the same numbers");
  return options;
}

std::vector<std::string> cells(const std::string& name, const ids::ContinuationMetrics& m) {
  return {name,
          fmt::format("{}", m.playlists),
          fmt::format("{}", m.hidden),
          fmt::format("{:.4f}", m.r_precision),
          fmt::format("{:.4f}", m.ndcg),
          fmt::format("{:.4f}", m.recall)};
}

nlohmann::json to_json(const ids::ContinuationMetrics& m) {
  return {{"playlists", m.playlists},
          {"hidden", m.hidden},
          {"r_precision", m.r_precision},
          {"ndcg", m.ndcg},
          {"recall", m.recall}};
}

void print_report(const ids::ContinuationReport& report, int k) {
  std::vector<std::vector<std::string>> rows{{"tracks in playlists", "playlists", "hidden",
                                              "R-precision", fmt::format("nDCG@{}", k),
                                              fmt::format("recall@{}", k)}};
  rows.push_back(cells("all", report.all));
  for (const auto& bucket : report.buckets) rows.push_back(cells(bucket.name(), bucket.metrics));
  fmt::print("{}", align_columns(rows));
}

}  // namespace

int run_embed_evaluate(const std::vector<std::string>& args, Communicator& comm) {
  EvaluateArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check_embed_options(a.embed);
  require_at_least("--playlists", a.continuation.num_playlists, 1);
  require_at_least("--k", a.continuation.k, 1);

  const auto dataset = data::Dataset::open(a.dataset);
  const auto source = ids::training_playlists(dataset);
  const ids::ContinuationSplit split(a.continuation, source.num_playlists);
  const auto interactions = ids::share_interactions(ids::visible_playlists(source, split),
                                                    ids::ials_row_cost(a.embed.ials), comm);
  a.embed.ials = ids::with_regularization(a.embed.ials, interactions);
  ThreadPool pool(a.embed.threads);
  Progress progress("embed evaluate", a.embed.ials.epochs, "epochs",
                    ProgressView::of_process(comm));
  auto factors = ids::train_ials(interactions, a.embed.ials, comm, pool, nullptr,
                                 [&](const ids::IalsEpoch&) { progress.advance(1); });
  progress.finish();
  if (comm.is_root()) {
    ids::shrink_to_priors(dataset.catalog(), interactions.track_counts, a.embed.prior_strength,
                          a.embed.ials.dim, factors.tracks.values());
  }
  factors.tracks.share_from_root(comm);
  const auto report =
      ids::evaluate_continuation(source, split, interactions.track_counts, a.embed.ials,
                                 a.continuation, &factors.tracks, comm, pool);
  if (report.all.playlists == 0) {
    throw DataError({a.dataset, "", "no playlist was drawn to be continued",
                     "training playlists of four tracks and more", "raise --playlists"});
  }
  if (!comm.is_root()) return 0;
  print_report(report, a.continuation.k);
  fmt::print("lambda {:.3g}\n", a.embed.ials.regularization);
  if (!a.json.empty()) {
    auto config = options.resolved();
    for (const char* key : {"dataset", "json", "threads"}) config.erase(key);
    config["regularization"] = a.embed.ials.regularization;
    nlohmann::json buckets = nlohmann::json::object();
    for (const auto& bucket : report.buckets) buckets[bucket.name()] = to_json(bucket.metrics);
    write_file(a.json, nlohmann::json{{"dataset", dataset.manifest().hash},
                                      {"options", config},
                                      {"all", to_json(report.all)},
                                      {"by_training_playlists", buckets}}
                               .dump(2) +
                           "\n");
  }
  return 0;
}

}  // namespace tutti::launch
