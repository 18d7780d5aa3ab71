#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/catalog.h"
#include "dist/runtime/artefact.h"
#include "ids/codebooks.h"

namespace tutti::ids {

// The tokens that can stand at one position of an ID: [first_token, first_token + num_tokens).
struct IdLevel {
  int32_t first_token = 0;
  int32_t num_tokens = 0;
};

// IDs of fixed length that tracks had and nobody has now: no track may have them while models know
// them. The trie does not offer them.
struct RetiredIds {
  std::vector<int32_t> tokens;  // [size, id_length]
  data::StringTable keys;       // [size], of the track that is gone; "": it has another ID now

  int64_t size() const { return keys.size(); }
  std::span<const int32_t> id_of(int64_t row, int64_t id_length) const {
    return std::span(tokens).subspan(row * id_length, id_length);
  }
  void add(std::span<const int32_t> id, std::string_view key) {
    tokens.insert(tokens.end(), id.begin(), id.end());
    keys.push_back(key);
  }
};

// Of IDs that are text in a vocabulary which models have rows for: the row of each token.
struct TokenPieces {
  std::string vocabulary;       // SHA-256 of the file's bytes; "": of no such vocabulary
  std::vector<int32_t> pieces;  // [num_tokens]; -1: the vocabulary has no such piece
};

// A track -> its ID, a sequence of ID tokens in [0, num_tokens). No ID is a prefix of another and
// no two tracks share one. ID tokens become model rows behind the text vocabulary: model row =
// number of text rows + token.
//
// IDs of fixed length have tokens of their own at each position; the last is a suffix that tells
// tracks on one code apart (0 when alone). IDs of text are as long as they need to be: all
// positions draw from one vocabulary, [0, num_tokens), whose last token ends an ID and stands
// nowhere else.
struct IdTable {
  std::string strategy;              // "semantic", "artist-track-name", ...
  std::string space;                 // of semantic IDs: "cf", "text"
  std::vector<IdLevel> levels;       // one a position
  std::vector<int64_t> offsets{0};   // [num_tracks + 1]
  std::vector<int32_t> tokens;       // ID of track t: [offsets[t], offsets[t+1])
  int64_t vector_dim = 0;            // 0: no vectors
  std::vector<float> token_vectors;  // [num_tokens, vector_dim], the codebook vector a token stands
                                     // for; zeros for suffix tokens
  data::StringTable token_names;     // [num_tokens], of text; else empty
  TokenPieces token_pieces;
  RetiredIds retired;

  int64_t num_tracks() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int32_t num_tokens() const {
    return levels.empty() ? 0 : levels.back().first_token + levels.back().num_tokens;
  }
  int64_t id_length() const { return static_cast<int64_t>(levels.size()); }
  std::span<const int32_t> id_of(int64_t track) const {
    return std::span(tokens).subspan(offsets[track], offsets[track + 1] - offsets[track]);
  }
  bool is_text() const { return id_length() > 1 && levels.back().first_token == 0; }
  int32_t end_token() const { return num_tokens() - 1; }  // of text
  double mean_length() const;                             // tokens an ID; 0 without tracks
  int level_of(int32_t token) const;  // token in [0, num_tokens); of text always 0
  // "<L0_17>"; the suffix level is "<S_3>". Of text, its name.
  std::string token_name(int32_t token) const;
};

// An ID table folder: manifest.json, ids.h5 (tokens, levels, token vectors), codebooks.h5 (what
// encodes a new track; absent when the strategy has none), report.json.
struct LoadedIdTable {
  Manifest manifest;
  IdTable table;
};
LoadedIdTable read_id_table(const std::filesystem::path& path);  // DataError naming what is wrong

// How a table follows from another: mapping.h5.
struct IdMapping {
  std::vector<int32_t> old_track;     // [num_tracks], row in the other table's catalogue, -1: new
  std::vector<int32_t> moved_tracks;  // with another ID than there, rising
  std::vector<int32_t> moved_from;    // [moved, id_length], their IDs there
  std::vector<int32_t> removed;       // rows of the other catalogue that are gone, rising
};

// What else an ID table artefact carries.
struct IdTableExtras {
  Codebooks codebooks;                           // no levels: none are written
  IdMapping mapping;                             // empty: none is written
  nlohmann::json report;                         // null: no report.json
  nlohmann::json config;                         // resolved options that shaped the content
  std::map<std::string, std::string> made_from;  // "dataset", "embeddings" -> manifest hash
};
// Call on rank 0 only. UsageError when `out` exists and `overwrite` is not set.
Manifest write_id_table(const std::filesystem::path& out, const IdTable& table,
                        const IdTableExtras& extras, bool overwrite);

// Codebooks alone, as codebooks.h5 of a table holds them. DataError naming what is wrong.
void write_codebooks(const std::filesystem::path& path, const Codebooks& codebooks);
Codebooks read_codebooks_file(const std::filesystem::path& path);

// What encodes a vector as the table's codes: read from the artefact's codebooks.h5. DataError when
// it has none.
Codebooks read_codebooks(const std::filesystem::path& id_table);

}  // namespace tutti::ids
