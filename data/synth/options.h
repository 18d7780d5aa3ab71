#pragma once

#include <cstdint>

namespace tutti::data {

// How the simulated listeners behave. "MPD": statistics published with the Million Playlist Dataset
// (1,000,000 playlists; JimiLab/RecSys2018 stats.txt): mean length 66.35, 5 to 250 tracks; the ten
// most frequent tracks stand in 46,574 ... 34,922 playlists; 17,381 normalised and 92,944 raw
// titles; the first title names 1.0 %, the first twenty 12.0 % of the playlists. Where nothing is
// published, the field says "assumption". The values were fixed before any model was trained on
// their playlists; a later change reruns every published result.
struct SynthOptions {
  int64_t num_playlists = 100'000;
  uint64_t seed = 0;

  // Length: log-normal, cut to [min, max] (MPD). The location follows from the mean.
  double mean_length = 66.35;     // tracks; MPD; at least 8, at most 150
  double length_sigma = 0.85;     // of log length; assumption
  int64_t min_length = 5;         // MPD
  int64_t max_length = 250;       // MPD; at most half of the catalogue
  int64_t min_theme_tracks = 20;  // a theme is only used when so many tracks carry all its tags

  // Popularity of a track: (rank + offset)^-exponent over a keyed random ranking
  // (Zipf-Mandelbrot), set so that over the bundled catalogue the ten most frequent tracks are as
  // frequent as in MPD.
  double popularity_exponent = 1.0;
  double popularity_offset = 90;
  double artist_share = 0.4;  // of the variance of the ranking that an artist's tracks share;
                              // assumption
  // Inside a theme, weights are raised to this power: who looks for a theme digs deeper.
  // Assumption; the tracks most frequent under a title reach an R-precision of 0.07 on its other
  // playlists, within what title-only methods reach on MPD (0.06 to 0.11).
  double theme_flatness = 0.5;

  // Titles: distinct normalised ones, and how often each is used: (rank + offset)^-exponent. With
  // these values the first names 0.94 % and the first twenty 12.0 % of the playlists (MPD).
  int64_t num_titles = 17'381;
  double title_exponent = 1.0;
  double title_offset = 14;
  double vague_titles = 0.10;    // share of composed titles that say nothing; assumption
  double context_titles = 0.25;  // ... that name an occasion; assumption
  double two_tags = 0.40;        // ... of the others that speak of two tags; assumption
  double three_tags = 0.20;      // ... of three

  // Listener: what decides the tracks beside the words of the title. Assumptions.
  double hidden_tag = 0.35;  // the theme has one more tag, of which the title says nothing
  double vague_theme = 0.6;  // a vague title has a theme nevertheless; else popularity decides

  // Where the next track comes from; what is left is a track that carries all tags of the theme.
  double partial_theme = 0.15;  // carries one of the tags
  double artist_run = 0.15;     // the artist of a track already there
  double album_run = 0.06;      // the album of a track already there
  double off_theme = 0.20;      // any track, by popularity
};

}  // namespace tutti::data
