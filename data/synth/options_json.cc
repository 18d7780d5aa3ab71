#include "data/synth/synthesize.h"

namespace tutti::data {

nlohmann::json to_json(const SynthOptions& o) {
  return {
      {"num_playlists", o.num_playlists},
      {"seed", o.seed},
      {"mean_length", o.mean_length},
      {"length_sigma", o.length_sigma},
      {"min_length", o.min_length},
      {"max_length", o.max_length},
      {"min_theme_tracks", o.min_theme_tracks},
      {"popularity_exponent", o.popularity_exponent},
      {"popularity_offset", o.popularity_offset},
      {"artist_share", o.artist_share},
      {"theme_flatness", o.theme_flatness},
      {"num_titles", o.num_titles},
      {"title_exponent", o.title_exponent},
      {"title_offset", o.title_offset},
      {"vague_titles", o.vague_titles},
      {"context_titles", o.context_titles},
      {"two_tags", o.two_tags},
      {"three_tags", o.three_tags},
      {"hidden_tag", o.hidden_tag},
      {"vague_theme", o.vague_theme},
      {"partial_theme", o.partial_theme},
      {"artist_run", o.artist_run},
      {"album_run", o.album_run},
      {"off_theme", o.off_theme},
  };
}

nlohmann::json to_json(const CatalogOptions& o) {
  return {
      {"num_tracks", o.num_tracks},
      {"artists_a_track", o.artists_a_track},
      {"albums_a_track", o.albums_a_track},
      {"size_exponent", o.size_exponent},
      {"size_offset", o.size_offset},
      {"size_offset_share", o.size_offset_share},
      {"most_scenes", o.most_scenes},
      {"artists_a_scene", o.artists_a_scene},
      {"scene_exponent", o.scene_exponent},
      {"untagged_tracks", o.untagged_tracks},
      {"artist_tags", o.artist_tags},
      {"head_exponent", o.head_exponent},
      {"tail_exponent", o.tail_exponent},
      {"head_offset", o.head_offset},
      {"knee_share", o.knee_share},
      {"artist_score", o.artist_score},
      {"track_score", o.track_score},
      {"album_score", o.album_score},
      {"nearby", o.nearby},
      {"nearby_width", o.nearby_width},
      {"anywhere_in_scene", o.anywhere_in_scene},
      {"artist_run", o.artist_run},
      {"album_run", o.album_run},
      {"theme_tries", o.theme_tries},
  };
}

}  // namespace tutti::data
