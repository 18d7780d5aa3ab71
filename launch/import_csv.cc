#include <fmt/format.h>

#include "data/import/csv.h"
#include "dist/runtime/log.h"
#include "launch/commands.h"
#include "launch/import_options.h"
#include "launch/options.h"

namespace tutti::launch {

int run_import_csv(const std::vector<std::string>& args, Communicator& comm) {
  Options options("import csv",
                  "Makes a dataset from a CSV table (plain or gzip) with a row a playlist entry: "
                  "columns playlist_id, title, track_id and, if known, artist, name, album, "
                  "duration_s, tags ('|' between them), modified_at.",
                  "tutti import csv playlists.csv.gz --out data");
  std::string file;
  ImportArgs import;
  options.positional("file", &file, "table; rows of one playlist stand together");
  import.declare(options);
  if (!options.parse(args)) return 0;
  if (comm.is_root()) {
    for (const std::string& column : data::unused_csv_columns(file)) {
      log::warn(fmt::format("{}: column '{}' is not used", file, column));
    }
  }
  import_and_report([&](const data::PlaylistSink& sink) { data::read_csv(file, sink); }, import,
                    "import csv", comm);
  return 0;
}

}  // namespace tutti::launch
