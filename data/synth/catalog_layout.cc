#include "data/synth/catalog_layout.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "data/synth/popularity.h"
#include "data/synth/streams.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

int64_t share_of(int64_t n, double share) {
  return std::clamp<int64_t>(std::llround(static_cast<double>(n) * share), 1, n);
}

// How many items an artist has beyond the first, in any unit: Zipf-Mandelbrot over a random
// ranking.
std::vector<double> artist_sizes(int64_t num_artists, const CatalogOptions& o) {
  const double offset = o.size_offset + o.size_offset_share * static_cast<double>(num_artists);
  const auto by_rank = zipf_mandelbrot(num_artists, o.size_exponent, offset);
  const Permutation rank_of(num_artists, o.seed, Purpose::kSynthCatalog,
                            catalog_stream(CatalogStream::kSizeOrder));
  std::vector<double> sizes(num_artists);
  for (int64_t a = 0; a < num_artists; ++a) sizes[a] = by_rank[rank_of(a)];
  return sizes;
}

// Albums: one an artist, the others where there are tracks to put on them.
std::vector<int64_t> albums_of_artists(const std::vector<int64_t>& artist_tracks,
                                       int64_t num_albums) {
  const int64_t num_artists = std::ssize(artist_tracks) - 1;
  const int64_t more_tracks = artist_tracks.back() - num_artists;
  const int64_t more_albums = num_albums - num_artists;
  std::vector<int64_t> first(num_artists + 1);
  for (int64_t a = 0; a <= num_artists; ++a) {
    const int64_t spare = artist_tracks[a] - a;  // tracks before this one that may open an album
    first[a] = a + (more_tracks == 0 ? 0 : spare * more_albums / more_tracks);
  }
  return first;
}

// Cuts an artist's tracks into albums at random places (selection sampling, Knuth's algorithm S).
void cut_into_albums(int64_t artist, const CatalogOptions& o, CatalogLayout* layout) {
  Rng rng(o.seed, Purpose::kSynthCatalog, catalog_stream(CatalogStream::kAlbumSizes, artist));
  const int64_t first = layout->artist_tracks[artist], last = layout->artist_tracks[artist + 1];
  int64_t wanted = layout->artist_albums[artist + 1] - layout->artist_albums[artist] - 1;
  layout->album_tracks.push_back(first);
  for (int64_t place = first + 1; place < last && wanted > 0; ++place) {
    if (static_cast<int64_t>(rng.below(last - place)) >= wanted) continue;
    layout->album_tracks.push_back(place);
    --wanted;
  }
}

void number_rows(const CatalogOptions& o, CatalogLayout* layout) {
  const int64_t n = layout->num_artists();
  const Permutation row_of(n, o.seed, Purpose::kSynthCatalog,
                           catalog_stream(CatalogStream::kArtistOrder));
  layout->artist_row.resize(n);
  layout->artist_at.resize(n);
  for (int64_t a = 0; a < n; ++a) {
    layout->artist_row[a] = static_cast<int32_t>(row_of(a));
    layout->artist_at[layout->artist_row[a]] = static_cast<int32_t>(a);
  }
  layout->track_offset.resize(n);
  layout->album_offset.resize(n);
  int64_t track_row = 0, album_row = 0;
  for (const int32_t a : layout->artist_at) {
    layout->track_offset[a] = track_row - layout->artist_tracks[a];
    layout->album_offset[a] = album_row - layout->artist_albums[a];
    track_row += layout->artist_tracks[a + 1] - layout->artist_tracks[a];
    album_row += layout->artist_albums[a + 1] - layout->artist_albums[a];
  }
}

// The number of the part that each item lies in.
std::vector<int32_t> part_of_item(const std::vector<int64_t>& first) {
  std::vector<int32_t> part(first.back());
  for (int64_t p = 0; p + 1 < std::ssize(first); ++p) {
    std::fill(part.begin() + first[p], part.begin() + first[p + 1], static_cast<int32_t>(p));
  }
  return part;
}

}  // namespace

std::vector<int64_t> apportion(int64_t total, std::span<const double> weights) {
  const int64_t parts = std::ssize(weights);
  TUTTI_CHECK(parts >= 1 && total >= parts);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<int64_t> first(parts + 1, 0);
  double before = 0;
  for (int64_t p = 0; p < parts; ++p) {
    first[p] = p + static_cast<int64_t>(static_cast<double>(total - parts) * (before / sum));
    before += weights[p];
  }
  first[parts] = total;
  return first;
}

void check_num_tracks(const CatalogOptions& o) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (o.num_tracks >= 1 && o.num_tracks <= kMost) return;
  throw UsageError(
      {"", "--tracks", std::to_string(o.num_tracks), "1 to " + std::to_string(kMost), ""});
}

CatalogLayout lay_out_catalog(const CatalogOptions& o) {
  check_num_tracks(o);
  const int64_t num_artists = share_of(o.num_tracks, o.artists_a_track);
  const int64_t num_albums = std::max(num_artists, share_of(o.num_tracks, o.albums_a_track));
  const int64_t num_scenes = std::clamp<int64_t>(num_artists / o.artists_a_scene, 1, o.most_scenes);
  CatalogLayout layout;
  layout.scene_artists = apportion(num_artists, zipf_mandelbrot(num_scenes, o.scene_exponent, 0));
  layout.artist_tracks = apportion(o.num_tracks, artist_sizes(num_artists, o));
  layout.artist_albums = albums_of_artists(layout.artist_tracks, num_albums);
  layout.album_tracks.reserve(num_albums + 1);
  for (int64_t a = 0; a < num_artists; ++a) cut_into_albums(a, o, &layout);
  layout.album_tracks.push_back(o.num_tracks);
  TUTTI_CHECK(layout.num_albums() == num_albums);
  layout.artist_of = part_of_item(layout.artist_tracks);
  layout.album_of = part_of_item(layout.album_tracks);
  number_rows(o, &layout);
  return layout;
}

MakersByRow makers_by_row(const CatalogLayout& layout) {
  MakersByRow makers;
  makers.artists.resize(layout.num_tracks());
  makers.albums.resize(layout.num_tracks());
  for (int64_t place = 0; place < layout.num_tracks(); ++place) {
    const int32_t artist = layout.artist_of[place], row = layout.row_of(place);
    makers.artists[row] = layout.artist_row[artist];
    makers.albums[row] = static_cast<int32_t>(layout.album_of[place] + layout.album_offset[artist]);
  }
  return makers;
}

}  // namespace tutti::data
