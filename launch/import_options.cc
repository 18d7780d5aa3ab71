#include "launch/import_options.h"

#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "launch/option_checks.h"
#include "launch/progress.h"

namespace tutti::launch {
void ImportArgs::declare(Options& options) {
  options.require("out", &out, "folder of the dataset to make")
      .add("overwrite", &overwrite, "replace what is at --out")
      .add("min-tracks", &min_tracks, "drop playlists with fewer distinct tracks")
      .add("min-title-words", &min_title_words, "drop playlists whose title has fewer words")
      .add("min-track-count", &min_track_count,
           "drop tracks in fewer playlists; above 1 the input is read twice")
      .add("stop-titles", &stop_titles, "file of titles, one a line, whose playlists are dropped")
      .add("strict", &strict,
           "refuse dirty data (a track twice in a playlist, a title without letter, digit or "
           "emoji) instead of cleaning it")
      .add("split", &split,
           "CSV file with columns playlist_id,part (train, validation, test) to use in place of "
           "the hashed split; playlists it does not list go to training")
      .add("unseen-titles", &unseen_titles, "share of normalised titles held out whole")
      .add("held-out", &held_out, "share of the other playlists held out")
      .add("seed", &seed, "of the split");
}

data::ImportOptions ImportArgs::resolve(const std::string& command) const {
  require_at_least("--min-tracks", min_tracks, 1);
  require_at_least("--min-title-words", min_title_words, 0);
  require_at_least("--min-track-count", min_track_count, 1);
  require_share("--unseen-titles", unseen_titles);
  require_share("--held-out", held_out);

  data::ImportOptions options;
  options.dataset.split = {unseen_titles, held_out, seed};
  options.dataset.min_tracks = min_tracks;
  options.dataset.min_title_words = min_title_words;
  options.dataset.strict = strict;
  options.min_track_count = min_track_count;
  options.overwrite = overwrite;
  options.config = {{"command", command},
                    {"min-tracks", min_tracks},
                    {"min-title-words", min_title_words},
                    {"min-track-count", min_track_count},
                    {"strict", strict},
                    {"unseen-titles", unseen_titles},
                    {"held-out", held_out},
                    {"seed", seed}};
  // A file shapes the content by its bytes, not by where it lies.
  if (!stop_titles.empty()) {
    options.dataset.stop_titles = data::read_stop_titles(stop_titles);
    options.config["stop-titles-sha256"] = sha256_of_file(stop_titles);
  }
  if (!split.empty()) {
    options.dataset.given_split =
        std::make_shared<const data::SplitFile>(data::SplitFile::read(split));
    options.config["split-sha256"] = sha256_of_file(split);
  }
  return options;
}

void import_and_report(const data::PlaylistReader& reader, const ImportArgs& args,
                       const std::string& command, Communicator& comm) {
  if (comm.is_root()) {
    data::ImportOptions options = args.resolve(command);
    Progress progress(command, 0, "playlists", ProgressView::of_process(comm));
    const int passes = options.min_track_count > 1 ? 2 : 1;
    options.progress = [&](int pass, double fraction, int64_t playlists) {
      progress.note(fmt::format("pass {} of {}, {:.0f} % read", pass, passes, 100 * fraction));
      progress.set(playlists);
    };
    const Manifest manifest = data::import_playlists(reader, args.out, options);
    progress.finish();
    print_dataset(args.out, manifest);
  }
  comm.barrier();
}

void print_dataset(const std::string& out, const Manifest& manifest) {
  const nlohmann::json& counts = manifest.counts;
  const auto count = [&](const char* name) { return counts.at(name).get<int64_t>(); };
  std::cout << fmt::format("wrote {}: dataset {}\n", out, manifest.short_hash());
  std::cout << fmt::format(
      "  {} playlists, {} entries, {} tracks, {} artists, {} tags, {} titles ({} normalised)\n",
      count("playlists"), count("entries"), count("tracks"), count("artists"), count("tags"),
      count("raw_titles"), count("normalized_titles"));
  if (count("playlists") == 0) return;
  std::cout << fmt::format("  parts: {} train, {} validation, {} test\n", count("train"),
                           count("validation"), count("test"));
  for (const auto& [rule, value] : counts.at("cleaning").items()) {
    if (value.get<int64_t>() > 0) std::cout << fmt::format("  {}: {}\n", rule, value.dump());
  }
}

}  // namespace tutti::launch
