#pragma once

#include <array>
#include <string>
#include <vector>

#include "data/catalog.h"
#include "data/tokenizer.h"
#include "ids/id_table.h"

namespace tutti::checkpoints {

// IDs of three positions (4 and 3 codes, then a suffix of 2) for `num_tracks` <= 24 tracks: track t
// takes code (t / 6, t / 2 mod 3, t mod 2).
inline ids::IdTable tiny_id_table(int num_tracks) {
  ids::IdTable table;
  table.strategy = "semantic";
  table.space = "cf";
  table.levels = {{0, 4}, {4, 3}, {7, 2}};
  for (int t = 0; t < num_tracks; ++t) {
    for (const int token : {t / 6, 4 + t / 2 % 3, 7 + t % 2}) table.tokens.push_back(token);
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

// IDs of text: the number of the track in base 3 and an end, so that lengths differ and most
// numbers begin other ones. For `num_tracks` <= 27.
inline ids::IdTable tiny_text_table(int num_tracks) {
  ids::IdTable table;
  table.strategy = "track-integer";
  table.levels.assign(4, {0, 4});
  for (const char* name : {"<T_0>", "<T_1>", "<T_2>", "<END>"}) table.token_names.push_back(name);
  for (int t = 0; t < num_tracks; ++t) {
    if (t >= 9) table.tokens.push_back(t / 9);
    if (t >= 3) table.tokens.push_back(t / 3 % 3);
    table.tokens.push_back(t % 3);
    table.tokens.push_back(table.end_token());
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

inline data::Catalog tiny_catalog(int num_tracks) {
  data::Catalog catalog;
  catalog.artist_keys.push_back("artist:a");
  catalog.artist_names.push_back("Beyonc\xc3\xa9 \"B\"");
  for (int t = 0; t < num_tracks; ++t) {
    catalog.track_keys.push_back("track:" + std::to_string(t));
    catalog.track_names.push_back("Song " + std::to_string(t));
    catalog.track_artist.push_back(t % 2 == 0 ? 0 : -1);
    catalog.track_album.push_back(-1);
    catalog.track_duration_s.push_back(0);
    catalog.tag_offsets.push_back(0);
  }
  return catalog;
}

inline std::vector<std::string> tiny_titles() {
  return {"rainy evening piano", "energetic rock vibes", "Summer Party 2019", "caf\xc3\xa9 jazz",
          "late night drive",    "90s hip hop",          "workout",           "rock",
          "piano for studying",  "evening walk"};
}

inline std::string tiny_vocabulary() {
  const std::vector<std::string> titles = tiny_titles();
  data::TokenizerTraining training;
  training.num_pieces = 340;  // 256 bytes, the specials, letters and a few words
  return data::train_sentencepiece(titles, std::vector<int64_t>(titles.size(), 3), training);
}

}  // namespace tutti::checkpoints
