#pragma once

#include <cstdint>

namespace tutti::data {

// The shape of a generated catalogue, and how listeners pick from it. "MPD": follows figures
// published of the Million Playlist Dataset (docs/data.md has them beside those of a full-size run,
// which these values were tuned on). Where nothing is published, the field says "assumption". The
// values were fixed before any model was trained on such playlists; a later change reruns every
// published result.
struct CatalogOptions {
  int64_t num_tracks = 2'262'292;  // MPD
  uint64_t seed = 0;

  double artists_a_track = 295'860.0 / 2'262'292;  // MPD
  double albums_a_track = 734'684.0 / 2'262'292;   // MPD
  // Tracks of an artist, beyond the first: (rank + offset)^-exponent over a random ranking.
  // Assumption; about 40 % of the artists have one or two tracks, the largest 3,500.
  double size_exponent = 1.1;
  double size_offset = 3;             // plus
  double size_offset_share = 3.3e-4;  // of the number of artists

  // Scenes: groups of artists with a genre or two, moods and instruments in common.
  int64_t most_scenes = 160;
  int64_t artists_a_scene = 100;  // at least, else there are fewer scenes
  double scene_exponent = 0.8;    // artists of a scene: rank^-exponent; assumption
  double untagged_tracks = 0.1;   // assumption
  double artist_tags = 0.5;       // share of a tag's chance that an artist's tracks have in common

  // Popularity of a track: (rank + offset)^-head * (1 + rank / knee)^-(tail - head), over a ranking
  // of normal scores. Fitted to MPD's ten most frequent tracks, and to how many different tracks a
  // tenth of its playlists holds.
  double head_exponent = 0.55;
  double tail_exponent = 2.2;
  double head_offset = 25;
  double knee_share = 0.0102;  // of the number of tracks
  // Of that score: standard deviations of what the artist, the album and the track bring to it.
  double artist_score = 0.42;
  double album_score = 0.8;
  double track_score = 0.6;

  // Where the next track of a playlist comes from; what is left is any track by popularity.
  double nearby = 0.42;       // of the scene, near the playlist's own place in it
  double nearby_width = 0.1;  // mean distance, as a share of the scene's popularity
  double anywhere_in_scene = 0.12;
  double artist_run = 0.15;  // the artist of a track already there
  double album_run = 0.23;   // the album of a track already there
  int theme_tries = 2;       // draws again for a track that carries a tag of the title
};

}  // namespace tutti::data
