#include "data/import/mpd.h"
#include "launch/commands.h"
#include "launch/import_options.h"
#include "launch/options.h"

namespace tutti::launch {

int run_import_mpd(const std::vector<std::string>& args, Communicator& comm) {
  Options options("import mpd",
                  "Makes a dataset from the slices (mpd.slice.*.json) of the Million Playlist "
                  "Dataset, or of playlists in that schema.",
                  "tutti import mpd mpd/data --out data --min-title-words 2");
  std::string folder;
  ImportArgs import;
  options.positional("folder", &folder, "folder that holds the slices");
  import.declare(options);
  if (!options.parse(args)) return 0;
  import_and_report([&](const data::PlaylistSink& sink) { data::read_mpd(folder, sink); }, import,
                    "import mpd", comm);
  return 0;
}

}  // namespace tutti::launch
