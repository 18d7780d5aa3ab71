#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "data/string_index.h"
#include "data/succession.h"
#include "dist/runtime/errors.h"
#include "dist/together.h"
#include "ids/embeddings.h"
#include "ids/fold_in.h"
#include "ids/priors.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

struct FoldInArgs {
  std::string embeddings, old_dataset, dataset, out;
  int threads = 1;
  bool overwrite = false;
};

Options declare(FoldInArgs& a) {
  Options options("embed fold-in",
                  "Gives vectors to the tracks that a newer dataset has and an older one had not, "
                  "from the playlists that hold them. Known tracks keep theirs, byte for byte.",
                  "mpirun -n 2 tutti embed fold-in --embeddings embeddings --old-dataset data "
                  "--dataset data-new --out embeddings-new");
  options.require("embeddings", &a.embeddings, "embeddings folder that `embed cf` made")
      .require("old-dataset", &a.old_dataset, "the dataset it was made from")
      .require("dataset", &a.dataset, "the newer dataset; tracks are matched by their keys")
      .require("out", &a.out, "embeddings folder to make")
      .add("threads", &a.threads, "threads a rank; does not change the result")
      .add("overwrite", &a.overwrite, "replace the embeddings in --out");
  return options;
}

// A number that `embed cf` wrote into its manifest.
double trained_with(const Manifest& manifest, const std::string& path, const char* option) {
  const auto found = manifest.config.find(option);
  if (found == manifest.config.end() || !found->is_number()) {
    throw DataError({path, fmt::format("option '{}' in manifest.json", option), "not there",
                     "embeddings that `tutti embed cf` made", ""});
  }
  return found->get<double>();
}

// known[t] and the vectors of known tracks in the new catalogue's order.
struct KnownTracks {
  std::vector<uint8_t> known;  // [num_tracks]
  int64_t count = 0;
  ids::Embeddings embeddings;  // of the new catalogue; zeros for new tracks
};

KnownTracks match_tracks(const ids::Embeddings& old, const data::StringTable& old_keys,
                         const data::StringTable& new_keys) {
  KnownTracks result;
  auto& embeddings = result.embeddings;
  embeddings.num_rows = new_keys.size();
  embeddings.dim = old.dim;
  embeddings.values.resize(embeddings.num_rows * old.dim);
  result.known.resize(embeddings.num_rows);
  const data::StringIndex index(old_keys);
  for (int64_t t = 0; t < embeddings.num_rows; ++t) {
    const int32_t row = index.find(old_keys, new_keys[t]);
    if (row < 0) continue;
    result.known[t] = 1;
    ++result.count;
    std::ranges::copy(old.row(row), embeddings.values.begin() + t * old.dim);
  }
  return result;
}

}  // namespace

int run_embed_fold_in(const std::vector<std::string>& args, Communicator& comm) {
  FoldInArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  require_at_least("--threads", a.threads, 1);
  if (comm.is_root()) ArtefactWriter(a.out, "embeddings", a.overwrite);

  const auto old = ids::read_embeddings(a.embeddings);
  const auto old_dataset = data::Dataset::open(a.old_dataset),
             dataset = data::Dataset::open(a.dataset);
  const auto made_from = old.manifest.made_from.find("dataset");
  if (made_from == old.manifest.made_from.end() ||
      made_from->second != old_dataset.manifest().hash) {
    const auto found =
        made_from == old.manifest.made_from.end() ? std::string("nothing") : made_from->second;
    throw DataError({a.embeddings, "", "made from dataset " + found,
                     fmt::format("{} of {}", old_dataset.manifest().hash, a.old_dataset),
                     "give the dataset that they were made from with --old-dataset"});
  }
  run_together(comm, [&] {
    if (comm.is_root()) data::require_successor(old_dataset, dataset);
  });
  ids::IalsOptions ials;
  ials.dim = old.embeddings.dim;
  ials.unobserved_weight = trained_with(old.manifest, a.embeddings, "unobserved-weight");
  ials.regularization = trained_with(old.manifest, a.embeddings, "regularization");
  ials.frequency_power = trained_with(old.manifest, a.embeddings, "frequency-power");
  const double prior_strength = trained_with(old.manifest, a.embeddings, "prior-strength");
  ids::check_options(ials);
  auto tracks =
      match_tracks(old.embeddings, old_dataset.catalog().track_keys, dataset.catalog().track_keys);
  if (tracks.count == 0) {
    throw DataError({a.dataset, "", "no track of the old dataset", "tracks that both have",
                     "train new vectors with `tutti embed cf`"});
  }
  auto interactions =
      ids::share_interactions(ids::training_playlists(dataset), ids::ials_row_cost(ials), comm);
  ThreadPool pool(a.threads);
  ids::fold_in_tracks(interactions, tracks.known, ials, &tracks.embeddings.values, comm, pool);
  if (!comm.is_root()) return 0;

  std::vector<uint8_t> is_new = tracks.known;
  for (auto& flag : is_new) flag = flag ? 0 : 1;
  ids::shrink_to_priors(dataset.catalog(), interactions.track_counts, prior_strength, ials.dim,
                        tracks.embeddings.values, &is_new);
  tracks.embeddings.support = std::move(interactions.track_counts);
  auto config = old.manifest.config;
  config["folded-in"] = tracks.embeddings.num_rows - tracks.count;
  const auto manifest = ids::write_embeddings(a.out, tracks.embeddings, dataset.manifest(),
                                              std::move(config), a.overwrite);
  fmt::print(
      "{}: {} tracks x {}, {} as they were, {} folded in; {} tracks of {} are gone; hash {}\n",
      a.out, tracks.embeddings.num_rows, ials.dim, tracks.count,
      tracks.embeddings.num_rows - tracks.count, old.embeddings.num_rows - tracks.count,
      a.old_dataset, manifest.short_hash());
  return 0;
}

}  // namespace tutti::launch
