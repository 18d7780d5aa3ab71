#include <fstream>
#include <vector>

#include "checkpoints/export/hf_parts.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

// Catalogues without names still have keys.
std::string_view artist_of(const data::Catalog& catalog, int64_t track) {
  const int32_t artist = catalog.track_artist[static_cast<size_t>(track)];
  if (artist < 0) return {};
  const std::string_view name = catalog.artist_names[artist];
  return name.empty() ? catalog.artist_keys[artist] : name;
}

}  // namespace

void write_trie(const std::filesystem::path& path, const ids::Trie& trie, const ids::IdTable& table,
                int64_t text_rows) {
  const auto first_row = static_cast<int32_t>(text_rows);
  std::vector<int32_t> token = trie.token;
  for (int32_t& t : token) t += first_row;
  std::vector<int32_t> level_first, level_size;
  for (const ids::IdLevel& level : table.levels) {
    level_first.push_back(first_row + level.first_token);
    level_size.push_back(level.num_tokens);
  }
  const auto num_levels = std::ssize(level_first);
  write_safetensors(path,
                    {{"row", TensorType::kI64, {std::ssize(trie.row)}, trie.row.data()},
                     {"token", TensorType::kI32, {trie.num_edges()}, token.data()},
                     {"target", TensorType::kI32, {trie.num_edges()}, trie.target.data()},
                     {"level_first", TensorType::kI32, {num_levels}, level_first.data()},
                     {"level_size", TensorType::kI32, {num_levels}, level_size.data()}},
                    {{"format", "pt"},
                     {"token", "vocabulary id of the edge; ascending below a node"},
                     {"target", "node, or -1 - line of id_map.jsonl where an ID ends"},
                     {"row", "edges of node n are row[n] to row[n + 1]; node 0 is the root"}});
}

void write_id_map(const std::filesystem::path& path, const ids::IdTable& table,
                  const data::Catalog& catalog, int64_t text_rows) {
  std::ofstream out(path, std::ios::binary);
  for (int64_t track = 0; track < table.num_tracks(); ++track) {
    nlohmann::ordered_json line = {{"track", catalog.track_keys[track]},
                                   {"artist", artist_of(catalog, track)},
                                   {"name", catalog.track_names[track]},
                                   {"ids", nlohmann::json::array()},
                                   {"tokens", nlohmann::json::array()}};
    for (const int32_t token : table.id_of(track)) {
      line["ids"].push_back(text_rows + token);
      line["tokens"].push_back(table.token_name(token));
    }
    // Names are the user's; bytes that are no UTF-8 must not end the export.
    out << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  }
  out.close();
  if (!out) {
    throw StorageError(Problem{.file = path.string(),
                               .place = {},
                               .found = "cannot write the file",
                               .expected = {},
                               .cure = "free space or choose another output folder"});
  }
}

}  // namespace tutti::checkpoints
