#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/synth/catalog_options.h"

namespace tutti::data {

// Who made what in a generated catalogue. Its tracks stand on a line: scene by scene, in a scene
// artist by artist, then album by album. A track's *place* is its number on that line; its *row* in
// the catalogue is another one, because there artists come in random order, as in life.
struct CatalogLayout {
  std::vector<int64_t> scene_artists;  // [scenes + 1], first artist of a scene
  std::vector<int64_t> artist_tracks;  // [artists + 1], place of an artist's first track
  std::vector<int64_t> artist_albums;  // [artists + 1], an artist's first album
  std::vector<int64_t> album_tracks;   // [albums + 1], place of an album's first track
  std::vector<int32_t> artist_of;      // [tracks], by place
  std::vector<int32_t> album_of;       // [tracks], by place

  // Rows of the catalogue. Tracks and albums of an artist stand together there too.
  std::vector<int32_t> artist_row;    // [artists]
  std::vector<int32_t> artist_at;     // [artists], the artist in this row
  std::vector<int64_t> track_offset;  // [artists], row less place of the artist's tracks
  std::vector<int64_t> album_offset;  // [artists], row less number of the artist's albums

  int64_t num_tracks() const { return std::ssize(artist_of); }
  int64_t num_artists() const { return std::ssize(artist_tracks) - 1; }
  int64_t num_albums() const { return std::ssize(album_tracks) - 1; }
  int64_t num_scenes() const { return std::ssize(scene_artists) - 1; }
  int32_t row_of(int64_t place) const {
    return static_cast<int32_t>(place + track_offset[artist_of[place]]);
  }
  int64_t scene_start(int64_t scene) const { return artist_tracks[scene_artists[scene]]; }
};

// UsageError unless 1 <= num_tracks < 2^31.
void check_num_tracks(const CatalogOptions& options);

// A pure function of the options. UsageError as check_num_tracks().
CatalogLayout lay_out_catalog(const CatalogOptions& options);

// The artist and the album of each track, all by row of the catalogue.
struct MakersByRow {
  std::vector<int32_t> artists, albums;  // [tracks]
};
MakersByRow makers_by_row(const CatalogLayout& layout);

// Cuts `total` items into consecutive parts, one item each and the rest by weight: [parts + 1]
// first items. total >= parts >= 1.
std::vector<int64_t> apportion(int64_t total, std::span<const double> weights);

}  // namespace tutti::data
