#include "checkpoints/export/hf.h"

#include <fstream>
#include <iterator>
#include <utility>
#include <variant>

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

void write_tokenizer(const ArtefactWriter& writer, const HfTokenizerFiles& tokenizer) {
  write_json(writer, kTokenizerJson, tokenizer.tokenizer, -1);
  write_json(writer, "tokenizer_config.json", tokenizer.tokenizer_config);
  write_json(writer, "special_tokens_map.json", tokenizer.special_tokens_map);
  write_json(writer, "added_tokens.json", tokenizer.added_tokens);
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
  write_tokenizer(writer, tokenizer);
}

void write_llama(const ArtefactWriter& writer, const ExportSource& source,
                 const LlamaConfig& shape) {
  const ids::IdTable& table = source.ids.table;
  const HfTokenizerFiles tokenizer = hf_bpe_tokenizer_files(
      read_vocabulary(source.checkpoint, kTokenizerJson),
      (source.checkpoint.path / kTokenizerJson).string(), shape.text_rows, table);
  write_hf_llama(writer.file("model.safetensors"), source.checkpoint, shape);
  write_json(writer, "config.json", hf_llama_config(shape, tokenizer.pad_token_id, source));
  write_tokenizer(writer, tokenizer);
  write_json(writer, "generation_config.json",
             hf_llama_generation_config(shape, tokenizer.pad_token_id, table));
  write_file(writer.file("README.md"), hf_llama_readme(shape, source));
}

void write_encoder_decoder(const ArtefactWriter& writer, const ExportSource& source,
                           const T5Config& shape) {
  if (shape.encoder) {
    write_pair(writer, source, shape);
  } else {
    write_t5(writer, source, shape);
  }
  write_json(writer, "generation_config.json", hf_generation_config(shape, source.ids.table));
  write_file(writer.file("README.md"), hf_t5_readme(shape, source));
}

}  // namespace

Manifest export_hf(const fs::path& out, const ExportSource& source, bool overwrite) {
  const Checkpoint& checkpoint = source.checkpoint;
  const ids::IdTable& table = source.ids.table;
  require_made_from(checkpoint.path, checkpoint.manifest, "id-table", source.ids.manifest);
  require_made_from(checkpoint.path, checkpoint.manifest, "dataset", source.dataset);
  const std::string state_file = (checkpoint.path / kStateFile).string();
  const nlohmann::json model = checkpoint.state.value("model", nlohmann::json::object());
  std::variant<T5Config, LlamaConfig> shape;
  if (model.value("arch", "") == "llama") {
    shape = llama_config_from_json(model, state_file);
  } else {
    shape = t5_config_from_json(model, state_file);
  }
  const auto [text_rows, id_tokens] = std::visit(
      [](const auto& config) { return std::pair(config.text_rows, config.id_tokens); }, shape);
  const Softmax softmax = softmax_of(checkpoint.state, checkpoint.path);
  require_equal(state_file, "id_tokens", id_tokens, table.num_tokens(), "the ID table");
  require_equal("dataset", "tracks", source.catalog.num_tracks(), table.num_tracks(),
                "the ID table");
  const ids::Trie trie = ids::build_trie(table);

  ArtefactWriter writer(out, "export", overwrite);
  if (const auto* llama = std::get_if<LlamaConfig>(&shape)) {
    write_llama(writer, source, *llama);
  } else {
    write_encoder_decoder(writer, source, std::get<T5Config>(shape));
  }
  write_trie(writer.file("trie.safetensors"), trie, table, text_rows);
  write_id_map(writer.file("id_map.jsonl"), table, source.catalog, text_rows);

  Manifest manifest;
  manifest.counts = {{"tracks", table.num_tracks()},
                     {"vocab_size", text_rows + id_tokens},
                     {"id_tokens", id_tokens},
                     {"trie_nodes", trie.num_nodes()},
                     {"trie_edges", trie.num_edges()}};
  manifest.config = {{"format", "hf"}, {"softmax", name_of(softmax)}};
  manifest.made_from = {{"checkpoint", checkpoint.manifest.hash},
                        {"id-table", source.ids.manifest.hash},
                        {"dataset", source.dataset.hash}};
  return writer.commit(std::move(manifest));
}

}  // namespace tutti::checkpoints
