#include "data/synth/generated_catalog.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/synth/names.h"
#include "data/synth/streams.h"
#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

std::vector<double> scene_shares(const CatalogLayout& layout, const PopularityLine& line) {
  std::vector<double> shares(layout.num_scenes());
  for (int64_t s = 0; s < layout.num_scenes(); ++s) {
    shares[s] = line.start_of(layout.scene_start(s + 1)) - line.start_of(layout.scene_start(s));
  }
  return shares;
}

// Log-normal around 3:40, one second to an hour; assumption.
float draw_duration_s(uint64_t seed, int64_t place) {
  Rng rng(seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kDuration, place));
  const double seconds = 220 * std::exp(0.3 * rng.normal());
  return static_cast<float>(std::clamp(std::round(seconds), 1.0, 3600.0));
}

void append(const StringTable& from, StringTable* to) {
  const auto base = static_cast<int64_t>(to->bytes.size());
  to->bytes += from.bytes;
  for (size_t i = 1; i < from.offsets.size(); ++i) to->offsets.push_back(base + from.offsets[i]);
}

template <typename T>
void append(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

// Rows of tracks, artists and albums name rows of the whole, so that only tags need a shift.
void append(const Catalog& part, Catalog* whole) {
  append(part.track_keys, &whole->track_keys);
  append(part.track_names, &whole->track_names);
  append(part.artist_keys, &whole->artist_keys);
  append(part.artist_names, &whole->artist_names);
  append(part.album_keys, &whole->album_keys);
  append(part.album_names, &whole->album_names);
  append(part.track_artist, &whole->track_artist);
  append(part.track_album, &whole->track_album);
  append(part.track_duration_s, &whole->track_duration_s);
  const int64_t base = std::ssize(whole->tags);
  for (size_t i = 1; i < part.tag_offsets.size(); ++i) {
    whole->tag_offsets.push_back(base + part.tag_offsets[i]);
  }
  append(part.tags, &whole->tags);
}

}  // namespace

GeneratedCatalog::GeneratedCatalog(const CatalogOptions& options, ThreadPool& pool)
    : options_(options),
      layout_(lay_out_catalog(options)),
      line_(track_weights(layout_, options, pool)),
      scenes_(options, scene_shares(layout_, line_)),
      tags_(draw_track_tags(layout_, scenes_, options)) {}

Catalog GeneratedCatalog::catalog(ThreadPool& pool) const {
  constexpr int64_t kArtistsPerPart = 512;
  constexpr int64_t kPartsAtOnce = 64;
  std::vector<int32_t> scene_of(layout_.num_artists());
  for (int64_t s = 0; s < layout_.num_scenes(); ++s) {
    std::fill(scene_of.begin() + layout_.scene_artists[s],
              scene_of.begin() + layout_.scene_artists[s + 1], static_cast<int32_t>(s));
  }
  // Artists [first, last) of the catalogue with all they made.
  const auto make_part = [&](int64_t first, int64_t last) {
    Catalog part;
    for (int64_t row = first; row < last; ++row) {
      const int32_t a = layout_.artist_at[row];
      const Scene& scene = scenes_[scene_of[a]];
      const std::string name = artist_name(options_.seed, a);
      part.artist_keys.push_back(fmt::format("synth:artist:{}", row));
      part.artist_names.push_back(name);
      for (int64_t al = layout_.artist_albums[a]; al < layout_.artist_albums[a + 1]; ++al) {
        part.album_keys.push_back(fmt::format("synth:album:{}", al + layout_.album_offset[a]));
        part.album_names.push_back(album_name(options_.seed, al, name));
      }
      for (int64_t p = layout_.artist_tracks[a]; p < layout_.artist_tracks[a + 1]; ++p) {
        part.track_keys.push_back(fmt::format("synth:track:{}", layout_.row_of(p)));
        part.track_names.push_back(track_name(options_.seed, p));
        part.track_artist.push_back(static_cast<int32_t>(row));
        part.track_album.push_back(
            static_cast<int32_t>(layout_.album_of[p] + layout_.album_offset[a]));
        part.track_duration_s.push_back(draw_duration_s(options_.seed, p));
        const auto begin = std::ssize(part.tags);
        for (size_t i = 0; i < scene.tags.size(); ++i) {
          if ((tags_[p] >> i & 1U) != 0) part.tags.push_back(scene.tags[i]);
        }
        std::sort(part.tags.begin() + begin, part.tags.end());
        part.tag_offsets.push_back(std::ssize(part.tags));
      }
    }
    return part;
  };
  Catalog whole;
  whole.tag_names = scenes_.tag_names();
  const int64_t num_artists = layout_.num_artists();
  for (int64_t begin = 0; begin < num_artists; begin += kPartsAtOnce * kArtistsPerPart) {
    const int64_t end = std::min(begin + kPartsAtOnce * kArtistsPerPart, num_artists);
    std::vector<Catalog> parts((end - begin + kArtistsPerPart - 1) / kArtistsPerPart);
    pool.for_each_block(std::ssize(parts), [&](int64_t i, int) {
      const int64_t first = begin + i * kArtistsPerPart;
      parts[i] = make_part(first, std::min(first + kArtistsPerPart, end));
    });
    for (const Catalog& part : parts) append(part, &whole);
  }
  return whole;
}

SharedNames count_shared_names(const Catalog& catalog) {
  SharedNames shared;
  std::unordered_map<std::string_view, int64_t> artists;
  for (int64_t a = 0; a < catalog.artist_names.size(); ++a) ++artists[catalog.artist_names[a]];
  for (const auto& [name, count] : artists) shared.artists += count > 1 ? count : 0;

  std::vector<std::pair<int32_t, std::string_view>> tracks;
  tracks.reserve(static_cast<size_t>(catalog.num_tracks()));
  for (int64_t t = 0; t < catalog.num_tracks(); ++t) {
    tracks.emplace_back(catalog.track_artist[t], catalog.track_names[t]);
  }
  std::ranges::sort(tracks);
  for (size_t first = 0, last = 0; first < tracks.size(); first = last) {
    while (last < tracks.size() && tracks[last] == tracks[first]) ++last;
    if (last - first > 1) shared.tracks_of_artist += static_cast<int64_t>(last - first);
  }
  return shared;
}

}  // namespace tutti::data
