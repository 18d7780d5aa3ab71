#include <string>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "data/synth/synthesize.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"

namespace tutti::launch {
int run_synth(const std::vector<std::string>& args, Communicator& comm) {
  std::string catalog, out;
  bool overwrite = false;
  int threads = 1;
  data::SynthOptions synth;
  data::DatasetOptions dataset;
  Options options("synth",
                  "Simulates listeners over a catalog with tags: playlists whose titles say what "
                  "their tracks are about. Rank 0 does the work.",
                  "tutti synth --catalog catalog --playlists 100000 --seed 1 --out playlists");
  options.require("catalog", &catalog, "dataset folder whose catalog carries tags")
      .require("out", &out, "dataset folder to make")
      .add("playlists", &synth.num_playlists, "how many playlists")
      .add("mean-length", &synth.mean_length, "mean number of tracks of a playlist")
      .add("titles", &synth.num_titles, "distinct normalised titles in use, at most")
      .add("unseen-titles", &dataset.split.unseen_titles, "share of titles held out whole")
      .add("held-out", &dataset.split.held_out, "share of the other playlists held out")
      .add("seed", &synth.seed, "the same seed gives the same bytes")
      .add("threads", &threads, "threads that make playlists")
      .add("overwrite", &overwrite, "replace the dataset in --out");
  if (!options.parse(args)) return 0;
  require_at_least("--playlists", synth.num_playlists, 1);
  require_at_least("--titles", synth.num_titles, 1);
  require_at_least("--threads", threads, 1);
  require_share("--unseen-titles", dataset.split.unseen_titles);
  require_share("--held-out", dataset.split.held_out);
  if (!comm.is_root()) return 0;

  dataset.split.seed = synth.seed;
  const auto source = data::Dataset::open(catalog);
  Progress progress("synth", synth.num_playlists, "playlists", ProgressView::of_process(comm));
  const auto result = data::synthesize(source, synth, dataset, out, overwrite, threads,
                                       [&](int64_t done) { progress.set(done); });
  progress.finish();
  fmt::print("{}: {} simulated playlists over {} real tracks, hash {}\n\n{}", out,
             result.statistics.playlists, source.num_tracks(), result.manifest.short_hash(),
             data::to_table(result.statistics));
  return 0;
}

}  // namespace tutti::launch
