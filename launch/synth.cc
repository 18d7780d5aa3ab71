#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "data/synth/catalog_options.h"
#include "data/synth/synthesize.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/thread_pool.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"

namespace tutti::launch {
namespace {

struct SynthArgs {
  std::string catalog, out;
  int64_t tracks = 0;
  int threads = 1;
  bool overwrite = false;
  data::SynthOptions synth;
  data::SplitOptions split;
};

Options declare(SynthArgs& a) {
  Options options("synth",
                  "Simulates listeners: playlists whose titles say what their tracks are about, "
                  "over a catalog with tags, or over one of any size that is simulated too.",
                  "mpirun -n 2 tutti synth --tracks 2262292 --playlists 1000000 --out mpd-size");
  options.require("out", &a.out, "dataset folder to make")
      .add("catalog", &a.catalog, "dataset folder whose catalog carries tags; without it: --tracks")
      .add("tracks", &a.tracks, "simulate a catalog of so many tracks too")
      .add("playlists", &a.synth.num_playlists, "how many playlists")
      .add("mean-length", &a.synth.mean_length, "mean number of tracks of a playlist")
      .add("titles", &a.synth.num_titles, "distinct normalised titles in use, at most")
      .add("unseen-titles", &a.split.unseen_titles, "share of titles held out whole")
      .add("held-out", &a.split.held_out, "share of the other playlists held out")
      .add("seed", &a.synth.seed, "the same seed gives the same bytes")
      .add("threads", &a.threads, "threads a rank; does not change the result")
      .add("overwrite", &a.overwrite, "replace the dataset in --out");
  return options;
}

bool generates_catalog(const SynthArgs& a) {
  return a.catalog.empty();
}

void check(const SynthArgs& a) {
  if (generates_catalog(a) && a.tracks < 1) {
    throw UsageError(
        {"", "--tracks", fmt::format("{}", a.tracks), "at least 1, or a --catalog", ""});
  }
  if (!generates_catalog(a) && a.tracks != 0) {
    throw UsageError(
        {"", "--tracks", fmt::format("{} beside --catalog", a.tracks), "one of them", ""});
  }
  require_at_least("--playlists", a.synth.num_playlists, 1);
  require_at_least("--titles", a.synth.num_titles, 1);
  require_at_least("--threads", a.threads, 1);
  require_share("--unseen-titles", a.split.unseen_titles);
  require_share("--held-out", a.split.held_out);
}

}  // namespace

int run_synth(const std::vector<std::string>& args, Communicator& comm) {
  SynthArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check(a);
  const bool generate = generates_catalog(a);

  a.split.seed = a.synth.seed;
  ThreadPool pool(a.threads);
  Progress progress("synth", a.synth.num_playlists, "playlists", ProgressView::of_process(comm));
  const data::SynthRun run{
      .out = a.out,
      .overwrite = a.overwrite,
      .split = a.split,
      .comm = comm,
      .pool = pool,
      .on_progress = [&](int64_t done) { progress.set(std::min(done, a.synth.num_playlists)); }};
  data::SynthResult result;
  if (generate) {
    result = data::synthesize(data::CatalogOptions{.num_tracks = a.tracks, .seed = a.synth.seed},
                              a.synth, run);
  } else {
    result = data::synthesize(data::Dataset::open(a.catalog), a.synth, run);
  }
  progress.set(a.synth.num_playlists);
  progress.finish();
  if (!comm.is_root()) return 0;
  fmt::print("{}: {} simulated playlists over {} {} tracks, hash {}\n", a.out,
             result.statistics.playlists, result.manifest.counts.at("tracks").get<int64_t>(),
             generate ? "simulated" : "real", result.manifest.short_hash());
  if (generate) {
    fmt::print(
        "{} artists share their name with another one, {} tracks theirs with another of "
        "the same artist\n",
        result.shared_names.artists, result.shared_names.tracks_of_artist);
  }
  fmt::print("\n{}", data::to_table(result.statistics));
  return 0;
}

}  // namespace tutti::launch
