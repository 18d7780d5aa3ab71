#include "data/succession.h"

#include <string>

#include <fmt/format.h>

#include "data/string_index.h"
#include "dist/runtime/errors.h"

namespace tutti::data {

void require_successor(const Dataset& older, const Dataset& newer) {
  if (older.manifest().hash == newer.manifest().hash) return;
  StringTable trained_keys;
  StringIndex trained;
  const StringTable old_keys = older.keys(0, older.num_playlists());
  for (int64_t p = 0; p < older.num_playlists(); ++p) {
    if (older.parts()[p] == Part::kTrain) trained.add(trained_keys, old_keys[p]);
  }
  int64_t known = 0;
  std::string first;
  const StringTable keys = newer.keys(0, newer.num_playlists());
  for (int64_t p = 0; p < newer.num_playlists(); ++p) {
    if (newer.parts()[p] == Part::kTrain || trained.find(trained_keys, keys[p]) < 0) continue;
    if (known++ == 0) first = keys[p];
  }
  if (known == 0) return;
  throw DataError(Problem{
      newer.path().string(), "",
      fmt::format("{} held-out playlists that {} trains on, '{}' the first", known,
                  older.path().string(), first),
      "playlists held out of both",
      "import it with the --seed, --unseen-titles and --held-out (or --split) of the older one"});
}

}  // namespace tutti::data
