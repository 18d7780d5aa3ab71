#include "ids/import_vectors.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <fmt/format.h>

#include "data/string_index.h"
#include "dist/runtime/errors.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr int64_t kReadBytes = 8 << 20;  // of fp32 a read

// Which row of the file belongs to which track, both ways; -1: none.
struct Matching {
  std::vector<int64_t> row_of_track;
  std::vector<int32_t> track_of_row;
};

Matching match(const VectorFile& file, const data::StringTable& keys, const data::Catalog& catalog,
               const ImportOptions& options, ImportReport* report) {
  if (keys.size() != file.num_rows()) {
    throw DataError({file.name(), "",
                     fmt::format("{} rows and {} keys", file.num_rows(), keys.size()),
                     "a key a row", ""});
  }
  const data::StringIndex index(catalog.track_keys);
  Matching matching;
  matching.row_of_track.assign(catalog.num_tracks(), -1);
  matching.track_of_row.resize(keys.size());
  for (int64_t row = 0; row < keys.size(); ++row) {
    const int32_t track = index.find(catalog.track_keys, keys[row]);
    matching.track_of_row[row] = track;
    if (track < 0) {
      if (report->unknown_keys++ == 0) report->first_unknown = std::string(keys[row]);
      continue;
    }
    int64_t& other = matching.row_of_track[track];
    if (other >= 0) {
      throw DataError({file.name(), fmt::format("row {}", row),
                       fmt::format("the key '{}' of row {} again", keys[row], other),
                       "each key once", ""});
    }
    other = row;
    ++report->rows_used;
  }
  const auto example = [](const data::StringTable& table) {
    return table.size() == 0 ? std::string("none") : fmt::format("'{}'", table[0]);
  };
  if (report->rows_used == 0) {
    throw DataError({file.name(), "", "no key of the catalogue, the first is " + example(keys),
                     "keys as " + example(catalog.track_keys), ""});
  }
  if (options.refuse_unknown && report->unknown_keys > 0) {
    throw DataError({file.name(), "",
                     fmt::format("{} keys that the catalogue does not have, the first is '{}'",
                                 report->unknown_keys, report->first_unknown),
                     "keys of the catalogue", "leave them out with --unknown ignore"});
  }
  report->tracks_filled = catalog.num_tracks() - report->rows_used;
  if (options.missing == MissingRule::kError && report->tracks_filled > 0) {
    const auto first = std::ranges::find(matching.row_of_track, -1);
    throw DataError({file.name(), "",
                     fmt::format("no vector for {} of {} tracks, the first is '{}'",
                                 report->tracks_filled, catalog.num_tracks(),
                                 catalog.track_keys[first - matching.row_of_track.begin()]),
                     "a vector for every track",
                     "fill them with --missing artist or --missing mean"});
  }
  return matching;
}

// Calls use(row, values) for the rows whose track is in [first, last), in the order of the file,
// which is read in large pieces and only where such rows are.
void read_rows_of(VectorFile& file, const Matching& matching, int64_t first, int64_t last,
                  const std::function<void(int64_t row, const float* values)>& use) {
  const int64_t dim = file.dim();
  const int64_t piece = std::max<int64_t>(1, kReadBytes / (dim * int64_t{sizeof(float)}));
  const auto wanted = [&](int64_t row) {
    return matching.track_of_row[row] >= first && matching.track_of_row[row] < last;
  };
  std::vector<float> values(piece * dim);
  for (int64_t begin = 0; begin < file.num_rows(); begin += piece) {
    int64_t from = begin, to = std::min(begin + piece, file.num_rows());
    while (from < to && !wanted(from)) ++from;
    while (to > from && !wanted(to - 1)) --to;
    if (from == to) continue;
    file.read_rows(from, to - from, values.data());
    for (int64_t row = from; row < to; ++row) {
      if (wanted(row)) use(row, values.data() + (row - from) * dim);
    }
  }
}

void require_finite(const VectorFile& file, const data::StringTable& keys, int64_t row,
                    const float* values) {
  const int64_t at = find_non_finite(values, file.dim());
  if (at < 0) return;
  throw DataError({file.name(), fmt::format("row {} (track {}), column {}", row, keys[row], at),
                   fmt::format("{}", values[at]), "a finite value that fits float32", ""});
}

// The means that missing tracks get: of all vectors, and of the artists that have such tracks.
class Fillers {
 public:
  Fillers(const data::Catalog& catalog, const Matching& matching, bool by_artist, int64_t dim)
      : catalog_(catalog), dim_(dim), slot_of_artist_(catalog.artist_keys.size(), 0) {
    int64_t num_slots = 1;  // slot 0: all
    for (int64_t t = 0; by_artist && t < catalog.num_tracks(); ++t) {
      const int32_t artist = catalog.track_artist[t];
      if (matching.row_of_track[t] >= 0 || artist < 0 || slot_of_artist_[artist] > 0) continue;
      slot_of_artist_[artist] = num_slots++;
    }
    sums_.resize(num_slots * dim);
    counts_.resize(num_slots);
  }

  void add(int64_t track, const float* values) {
    add_to(0, values);
    if (const int64_t slot = slot_of(track); slot > 0) add_to(slot, values);
  }

  void fill(int64_t track, float* out) const {
    int64_t slot = slot_of(track);
    if (counts_[slot] == 0) slot = 0;
    for (int64_t j = 0; j < dim_; ++j) {
      out[j] = static_cast<float>(sums_[slot * dim_ + j] / static_cast<double>(counts_[slot]));
    }
  }

 private:
  int64_t slot_of(int64_t track) const {
    const int32_t artist = catalog_.track_artist[track];
    return artist < 0 ? 0 : slot_of_artist_[artist];
  }
  void add_to(int64_t slot, const float* values) {
    for (int64_t j = 0; j < dim_; ++j) sums_[slot * dim_ + j] += values[j];
    ++counts_[slot];
  }

  const data::Catalog& catalog_;
  int64_t dim_;
  std::vector<int64_t> slot_of_artist_;  // 0: none of its own
  std::vector<double> sums_;             // [slots, dim]
  std::vector<int64_t> counts_;
};

}  // namespace

MissingRule missing_rule(const std::string& name) {
  if (name == "error") return MissingRule::kError;
  if (name == "mean") return MissingRule::kMean;
  if (name == "artist") return MissingRule::kArtist;
  throw UsageError({"", "--missing", "'" + name + "'", "error, mean or artist", ""});
}

ImportReport import_vectors(VectorFile& file, const data::StringTable& keys,
                            const data::Catalog& catalog, const ImportOptions& options,
                            EmbeddingsWriter* out) {
  ImportReport report;
  report.rows_in_file = file.num_rows();
  const Matching matching = match(file, keys, catalog, options, &report);
  const int64_t dim = file.dim(), num_tracks = catalog.num_tracks();

  Fillers fillers(catalog, matching, options.missing == MissingRule::kArtist, dim);
  if (report.tracks_filled > 0) {
    ++report.passes;
    read_rows_of(file, matching, 0, num_tracks, [&](int64_t row, const float* values) {
      require_finite(file, keys, row, values);
      fillers.add(matching.track_of_row[row], values);
    });
  }

  const int64_t window =
      std::clamp<int64_t>(options.buffer_bytes / (dim * int64_t{sizeof(float)}), 1, num_tracks);
  std::vector<float> rows(window * dim);
  std::vector<int32_t> support(window);
  for (int64_t first = 0; first < num_tracks; first += window) {
    const int64_t last = std::min(first + window, num_tracks);
    ++report.passes;
    read_rows_of(file, matching, first, last, [&](int64_t row, const float* values) {
      require_finite(file, keys, row, values);
      report.zero_rows += std::all_of(values, values + dim, [](float v) { return v == 0; });
      std::copy_n(values, dim, rows.data() + (matching.track_of_row[row] - first) * dim);
    });
    for (int64_t t = first; t < last; ++t) {
      support[t - first] = matching.row_of_track[t] >= 0 ? 1 : 0;
      if (support[t - first] == 0) fillers.fill(t, rows.data() + (t - first) * dim);
    }
    out->append(std::span(rows).first((last - first) * dim),
                std::span(support).first(last - first));
  }
  return report;
}

}  // namespace tutti::ids
