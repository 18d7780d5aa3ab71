#include "checkpoints/export/hf.h"

#include <fstream>
#include <iterator>

#include <fmt/core.h>

#include "checkpoints/export/hf_parts.h"
#include "checkpoints/softmax.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

constexpr const char *kVocabularyFile = "spiece.model", *kTokenizerJson = "tokenizer.json";

void write_json(const ArtefactWriter& writer, const char* name, const nlohmann::json& json,
                int indent = 2) {
  write_file(writer.file(name), json.dump(indent) + '\n');
}

void require_equal(const std::string& file, const std::string& place, int64_t found,
                   int64_t expected, const std::string& of) {
  if (found == expected) return;
  throw DataError(Problem{.file = file,
                          .place = place,
                          .found = fmt::format("{}", found),
                          .expected = fmt::format("{} as in {}", expected, of),
                          .cure = "use the artefacts of one road"});
}

std::string read_vocabulary(const Checkpoint& checkpoint, const char* name) {
  const fs::path path = checkpoint.path / name;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw DataError(Problem{.file = path.string(),
                            .place = {},
                            .found = "no such file",
                            .expected = "the vocabulary of the titles",
                            .cure = "use a checkpoint of 'tutti train'"});
  }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The encoder's own tokenizer: IDs are none of its words.
void write_pair(const ArtefactWriter& writer, const ExportSource& source, const T5Config& shape) {
  write_hf_model(writer.file("model.safetensors"), source.checkpoint, shape);
  write_json(writer, "config.json", pair_config(shape, source));
  write_file(writer.file(kTokenizerJson), read_vocabulary(source.checkpoint, kTokenizerJson));
  write_json(writer, "tokenizer_config.json", pair_tokenizer_config(shape));
}

void write_t5(const ArtefactWriter& writer, const ExportSource& source, const T5Config& shape) {
  const std::string vocabulary = read_vocabulary(source.checkpoint, kVocabularyFile);
  const std::string path = (source.checkpoint.path / kVocabularyFile).string();
  const HfTokenizerFiles tokenizer = hf_tokenizer_files(parse_sentencepiece_model(vocabulary, path),
                                                        path, shape.text_rows, source.ids.table);
  write_hf_model(writer.file("model.safetensors"), source.checkpoint, shape);
  write_json(writer, "config.json", hf_config(shape, source));
  write_file(writer.file(kVocabularyFile), vocabulary);
  write_json(writer, kTokenizerJson, tokenizer.tokenizer, -1);
  write_json(writer, "tokenizer_config.json", tokenizer.tokenizer_config);
  write_json(writer, "special_tokens_map.json", tokenizer.special_tokens_map);
  write_json(writer, "added_tokens.json", tokenizer.added_tokens);
}

}  // namespace

Manifest export_hf(const fs::path& out, const ExportSource& source, bool overwrite) {
  const Checkpoint& checkpoint = source.checkpoint;
  const ids::IdTable& table = source.ids.table;
  require_made_from(checkpoint.path, checkpoint.manifest, "id-table", source.ids.manifest);
  require_made_from(checkpoint.path, checkpoint.manifest, "dataset", source.dataset);
  const T5Config shape =
      t5_config_from_json(checkpoint.state.value("model", nlohmann::json::object()),
                          (checkpoint.path / kStateFile).string());
  const Softmax softmax = softmax_of(checkpoint.state, checkpoint.path);
  require_equal((checkpoint.path / kStateFile).string(), "id_tokens", shape.id_tokens,
                table.num_tokens(), "the ID table");
  require_equal("dataset", "tracks", source.catalog.num_tracks(), table.num_tracks(),
                "the ID table");
  const ids::Trie trie = ids::build_trie(table);

  ArtefactWriter writer(out, "export", overwrite);
  if (shape.encoder) {
    write_pair(writer, source, shape);
  } else {
    write_t5(writer, source, shape);
  }
  write_json(writer, "generation_config.json", hf_generation_config(shape, table));
  write_trie(writer.file("trie.safetensors"), trie, table, shape.text_rows);
  write_id_map(writer.file("id_map.jsonl"), table, source.catalog, shape.text_rows);
  write_file(writer.file("README.md"), hf_readme(shape, source));

  Manifest manifest;
  manifest.counts = {{"tracks", table.num_tracks()},
                     {"vocab_size", shape.vocab_size()},
                     {"id_tokens", shape.id_tokens},
                     {"trie_nodes", trie.num_nodes()},
                     {"trie_edges", trie.num_edges()}};
  manifest.config = {{"format", "hf"}, {"softmax", name_of(softmax)}};
  manifest.made_from = {{"checkpoint", checkpoint.manifest.hash},
                        {"id-table", source.ids.manifest.hash},
                        {"dataset", source.dataset.hash}};
  return writer.commit(std::move(manifest));
}

}  // namespace tutti::checkpoints
