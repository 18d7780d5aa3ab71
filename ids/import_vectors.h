#pragma once

#include <cstdint>
#include <string>

#include "data/catalog.h"
#include "ids/embeddings.h"
#include "ids/vector_file.h"

namespace tutti::ids {

// What a track of the catalogue gets that the file has no vector for.
enum class MissingRule {
  kError,   // nothing: the import is refused
  kMean,    // the mean of all vectors that were imported
  kArtist,  // the mean of its artist's, of all when the artist has none
};
MissingRule missing_rule(const std::string& name);  // "error", "mean", "artist"; UsageError

struct ImportOptions {
  MissingRule missing = MissingRule::kError;
  bool refuse_unknown = false;              // keys that the catalogue does not have; else left out
  int64_t buffer_bytes = int64_t{1} << 30;  // rows sorted into catalogue order at a time
};

struct ImportReport {
  int64_t rows_in_file = 0;
  int64_t rows_used = 0;
  int64_t unknown_keys = 0;  // rows of tracks that the catalogue does not have
  std::string first_unknown;
  int64_t tracks_filled = 0;  // by the rule for missing ones; their support is 0, the others' 1
  int64_t zero_rows = 0;      // used rows whose values are all zero
  int64_t passes = 0;         // over the file, to sort it
};

// Brings the vectors of `file`, row i of which belongs to `keys`[i], into the order of the
// catalogue, whatever the order of the file, and gives them to `out`. Memory: buffer_bytes, and 12
// bytes a track, 4 a row and the keys. DataError: as many keys as rows are not there, a key twice
// (both rows named), no key that the catalogue knows, a track without vector under kError, a value
// that is NaN, infinite or too large for fp32 (row and key named; rows of unknown keys do not
// matter).
ImportReport import_vectors(VectorFile& file, const data::StringTable& keys,
                            const data::Catalog& catalog, const ImportOptions& options,
                            EmbeddingsWriter* out);

}  // namespace tutti::ids
