#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "ids/embeddings.h"
#include "ids/ials.h"
#include "ids/priors.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"

namespace tutti::launch {
namespace {

struct EmbedArgs {
  std::string dataset, out;
  ids::IalsOptions ials;
  double prior_strength = 5;
  int threads = 1;
  bool overwrite = false;
};

Options declare(EmbedArgs& a) {
  Options options("embed cf",
                  "Makes a vector for every track from the training playlists it shares with "
                  "others (implicit ALS), over all ranks.",
                  "mpirun -n 2 tutti embed cf --dataset data --out embeddings --dim 64");
  options.require("dataset", &a.dataset, "dataset folder")
      .require("out", &a.out, "embeddings folder to make")
      .add("dim", &a.ials.dim, "length of a vector")
      .add("epochs", &a.ials.epochs, "passes over both sides")
      .add("exact-epochs", &a.ials.exact_epochs,
           "of these, the last ones solve exactly; the others by conjugate gradients")
      .add("cg-steps", &a.ials.cg_steps, "conjugate gradient steps a row and epoch")
      .add("unobserved-weight", &a.ials.unobserved_weight,
           "weight of a track not in the playlist, where one that is in it weighs 1")
      .add("regularization", &a.ials.regularization, "lambda; times the row's frequency")
      .add("frequency-power", &a.ials.frequency_power, "nu: power of that frequency")
      .add("init-stddev", &a.ials.init_stddev, "length of the random start vectors")
      .add("prior-strength", &a.prior_strength,
           "playlists that the mean of album and artist counts for; 0: rare tracks stand alone")
      .add("seed", &a.ials.seed, "of the start vectors")
      .add("threads", &a.threads, "threads a rank; does not change the result")
      .add("overwrite", &a.overwrite, "replace the embeddings in --out");
  return options;
}

void check(const EmbedArgs& a) {
  require_at_least("--threads", a.threads, 1);
  if (!(a.prior_strength >= 0)) {
    throw UsageError(
        {"", "--prior-strength", fmt::format("{}", a.prior_strength), "at least 0", ""});
  }
}

void print_epochs(const std::vector<ids::IalsEpoch>& epochs) {
  fmt::print("epoch  solver    objective  playlists s  tracks s\n");
  for (size_t e = 0; e < epochs.size(); ++e) {
    fmt::print("{:>5}  {:<6}  {:>11.6g}  {:>11.2f}  {:>8.2f}\n", e + 1,
               epochs[e].exact ? "exact" : "cg", epochs[e].objective, epochs[e].playlists_s,
               epochs[e].tracks_s);
  }
}

}  // namespace

int run_embed_cf(const std::vector<std::string>& args, Communicator& comm) {
  EmbedArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check(a);
  // Says before the work, not after it, that the folder cannot be written.
  if (comm.is_root()) ArtefactWriter(a.out, "embeddings", a.overwrite);

  const auto dataset = data::Dataset::open(a.dataset);
  const auto interactions = ids::share_interactions(ids::training_playlists(dataset),
                                                    ids::ials_row_cost(a.ials), comm);
  if (interactions.num_entries == 0) {
    throw DataError({a.dataset, "", "no entry in any training playlist",
                     "training playlists with tracks", "check it with `tutti inspect`"});
  }
  ThreadPool pool(a.threads);
  std::vector<ids::IalsEpoch> epochs;
  Progress progress("embed cf", a.ials.epochs, "epochs", ProgressView::of_process(comm));
  auto factors = ids::train_ials(interactions, a.ials, comm, pool, &epochs,
                                 [&](const ids::IalsEpoch&) { progress.advance(1); });
  progress.finish();
  const auto& support = interactions.track_counts;
  ids::shrink_to_priors(dataset.catalog(), support, a.prior_strength, a.ials.dim, &factors.tracks);
  if (!comm.is_root()) return 0;

  auto config = options.resolved();
  for (const char* key : {"dataset", "out", "threads", "overwrite"}) config.erase(key);
  config["space"] = "cf";
  const ids::Embeddings embeddings{interactions.num_tracks, a.ials.dim, std::move(factors.tracks),
                                   support};
  const auto manifest =
      ids::write_embeddings(a.out, embeddings, dataset.manifest(), config, a.overwrite);
  print_epochs(epochs);
  const auto unseen = std::count(support.begin(), support.end(), 0);
  fmt::print(
      "{}: {} tracks x {}, from {} training playlists with {} entries; {} tracks in none "
      "of them have their album's or artist's vector; hash {}\n",
      a.out, interactions.num_tracks, a.ials.dim, interactions.num_playlists,
      interactions.num_entries, unseen, manifest.short_hash());
  return 0;
}

}  // namespace tutti::launch
