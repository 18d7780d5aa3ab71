#include "data/import/tags.h"
#include "launch/commands.h"
#include "launch/import_options.h"
#include "launch/options.h"

namespace tutti::launch {

int run_import_tags(const std::vector<std::string>& args, Communicator& comm) {
  Options options("import tags",
                  "Makes a catalogue (a dataset without playlists) from a table of tracks and "
                  "tags; `tutti synth` makes playlists over it.",
                  "tutti import tags data/demo/jamendo-tags.tsv.gz --out catalog");
  std::string file, out;
  bool overwrite = false;
  options.positional("file", &file,
                     "tab-separated, plain or gzip: track_id artist_id album_id duration_s tags");
  options.require("out", &out, "folder of the dataset to make")
      .add("overwrite", &overwrite, "replace what is at --out");
  if (!options.parse(args)) return 0;
  if (comm.is_root()) {
    print_dataset(out, data::import_tags(file, out, {{"command", "import tags"}}, overwrite));
  }
  comm.barrier();
  return 0;
}

}  // namespace tutti::launch
