#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "ids/embeddings.h"
#include "ids/ials.h"
#include "ids/priors.h"
#include "launch/commands.h"
#include "launch/embed_options.h"
#include "launch/options.h"
#include "launch/progress.h"

namespace tutti::launch {

int run_embed_cf(const std::vector<std::string>& args, Communicator& comm) {
  std::string path, out;
  EmbedOptions embed;
  bool overwrite = false;
  Options options("embed cf",
                  "Makes a vector for every track from the training playlists it shares with "
                  "others (implicit ALS), over all ranks.",
                  "mpirun -n 2 tutti embed cf --dataset data --out embeddings --dim 64");
  options.require("dataset", &path, "dataset folder")
      .require("out", &out, "embeddings folder to make");
  add_embed_options(options, embed);
  options.add("overwrite", &overwrite, "replace the embeddings in --out");
  if (!options.parse(args)) return 0;
  check_embed_options(embed);
  // Says before the work, not after it, that the folder cannot be written.
  if (comm.is_root()) ArtefactWriter(out, "embeddings", overwrite);

  const auto dataset = data::Dataset::open(path);
  auto interactions = ids::share_interactions(ids::training_playlists(dataset),
                                              ids::ials_row_cost(embed.ials), comm);
  if (interactions.num_entries == 0) {
    throw DataError({path, "", "no entry in any training playlist",
                     "training playlists with tracks", "check it with `tutti inspect`"});
  }
  embed.ials = ids::with_regularization(embed.ials, interactions);
  ThreadPool pool(embed.threads);
  std::vector<ids::IalsEpoch> epochs;
  Progress progress("embed cf", embed.ials.epochs, "epochs", ProgressView::of_process(comm));
  auto factors = ids::train_ials(interactions, embed.ials, comm, pool, &epochs,
                                 [&](const ids::IalsEpoch&) { progress.advance(1); });
  progress.finish();
  const int64_t shared_with_root =
      factors.playlists.bytes_of_another_rank() + factors.tracks.bytes_of_another_rank();
  // What the rest does not need makes room for the catalogue.
  factors.playlists = {};
  interactions.by_playlist = {};
  interactions.by_track = {};
  const int64_t peak_in_training = comm.sum(peak_memory_bytes() - shared_with_root);
  if (!comm.is_root()) return 0;

  ids::shrink_to_priors(dataset.catalog(), interactions.track_counts, embed.prior_strength,
                        embed.ials.dim, factors.tracks.values());
  auto config = options.resolved();
  for (const char* key : {"dataset", "out", "threads", "overwrite"}) config.erase(key);
  config["space"] = "cf";
  config["regularization"] = embed.ials.regularization;  // `embed fold-in` needs it as it was
  ids::EmbeddingsWriter writer(out, embed.ials.dim, overwrite);
  const auto& support = interactions.track_counts;
  writer.append(factors.tracks.values(), support);
  const auto manifest = writer.finish(dataset.manifest(), config);
  print_epochs(epochs);
  fmt::print("lambda {:.3g}\n", embed.ials.regularization);
  const auto unseen = std::ranges::count(support, 0);
  fmt::print(
      "{}: {} tracks x {}, from {} training playlists with {} entries; {} tracks in none "
      "of them have their album's or artist's vector; hash {}\n"
      "peak memory {:.2f} GiB over {} ranks in training, {:.2f} GiB on rank 0 in all\n",
      out, interactions.num_tracks, embed.ials.dim, interactions.num_playlists,
      interactions.num_entries, unseen, manifest.short_hash(), to_gib(peak_in_training),
      comm.size(), to_gib(peak_memory_bytes()));
  return 0;
}

}  // namespace tutti::launch
