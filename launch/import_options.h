#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/import/import.h"
#include "dist/communicator.h"
#include "launch/options.h"

namespace tutti::launch {

// The options that `import mpd` and `import csv` share.
struct ImportArgs {
  std::string out, stop_titles, split;
  bool overwrite = false, strict = false;
  int64_t min_tracks = 2, min_title_words = 1, min_track_count = 1;
  double unseen_titles = 0.10, held_out = 0.05;
  uint64_t seed = 0;

  void declare(Options& options);
  // Checks the values and reads the files they name. `command`: "import mpd", for the manifest.
  data::ImportOptions resolve(const std::string& command) const;
};

// Imports on rank 0 with a progress line, then prints what was made and what cleaning did.
void import_and_report(const data::PlaylistReader& reader, const ImportArgs& args,
                       const std::string& command, Communicator& comm);

// "wrote OUT: dataset 0123456789ab", the counts, and the non-zero cleaning rules.
void print_dataset(const std::string& out, const Manifest& manifest);

}  // namespace tutti::launch
