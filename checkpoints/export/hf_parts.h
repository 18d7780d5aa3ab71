#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "checkpoints/export/hf.h"
#include "checkpoints/export/sentencepiece_model.h"
#include "checkpoints/llama_config.h"
#include "checkpoints/t5_config.h"
#include "ids/trie.h"

// The steps of export_hf, one a file. Each writes into files of the artefact being made.
namespace tutti::checkpoints {

// model.safetensors: embeddings [vocab_size, d_model] put together from text and ID rows, an
// explicit head (zeros at text rows that the model does not predict; a tied one is written out, its
// scale multiplied in), all else as it is. BERT's tensors in place of T5's encoder are
// "encoder.bert." and their names in BertModel. DataError on a tensor too many, too few, or of
// another shape.
void write_hf_model(const std::filesystem::path& path, const Checkpoint& checkpoint,
                    const T5Config& t5);

nlohmann::json hf_config(const T5Config& t5, const ExportSource& source);
// What config.json says under "tutti": softmax, prompt, hashes, and where ID tokens are.
nlohmann::json hf_origin(const ExportSource& source, int64_t text_rows);
nlohmann::json hf_generation_config(const T5Config& t5, const ids::IdTable& table);
// The vocabulary id that ends an ID: IDs that are text have a token of their own, of others, which
// end by their length, it is `otherwise`.
nlohmann::json end_of_ids(const ids::IdTable& table, int64_t text_rows, nlohmann::json otherwise);

// The same of a decoder-only model. Adapters are merged; a tied head stays tied. `pad`: a token id.
void write_hf_llama(const std::filesystem::path& path, const Checkpoint& checkpoint,
                    const LlamaConfig& llama);
nlohmann::json hf_llama_config(const LlamaConfig& llama, int64_t pad, const ExportSource& source);
nlohmann::json hf_llama_generation_config(const LlamaConfig& llama, int64_t pad,
                                          const ids::IdTable& table);
std::string hf_llama_readme(const LlamaConfig& llama, const ExportSource& source);

// The tokenizer with its ID tokens, in the forms that readers look for.
struct HfTokenizerFiles {
  nlohmann::json tokenizer;           // tokenizer.json
  nlohmann::json tokenizer_config;    // tokenizer_config.json
  nlohmann::json special_tokens_map;  // special_tokens_map.json
  nlohmann::json added_tokens;        // added_tokens.json
  int64_t pad_token_id = 0;
};
// DataError when the SentencePiece model is not of T5's form (unigram, a space in front).
HfTokenizerFiles hf_tokenizer_files(const SentencePieceModel& model, const std::string& origin,
                                    int64_t text_rows, const ids::IdTable& table);
// A tokenizer.json of byte-level BPE with ID tokens added. DataError when two tokens share an id,
// or one is no text row.
HfTokenizerFiles hf_bpe_tokenizer_files(const std::string& tokenizer_json,
                                        const std::string& origin, int64_t text_rows,
                                        const ids::IdTable& table);
nlohmann::json added_token(const std::string& text, bool special);  // without its id

// trie.safetensors: row [nodes + 1] int64, token and target [edges] int32, level_first and
// level_size [levels] int32. Tokens are vocabulary ids.
void write_trie(const std::filesystem::path& path, const ids::Trie& trie, const ids::IdTable& table,
                int64_t text_rows);
// id_map.jsonl: a line a track, in the order of the trie's track numbers.
void write_id_map(const std::filesystem::path& path, const ids::IdTable& table,
                  const data::Catalog& catalog, int64_t text_rows);

// README.md: what a kind of model says of itself.
struct ReadmeOf {
  std::string model;            // "A T5 encoder-decoder (…)"
  std::string tokenizer_files;  // a row of the table of files
  std::string loading;          // a section that makes `tokenizer` and `model`, its block left open
  bool is_decoder_only = false, has_text_head = false;
  std::string_view differences;  // items of a list
};
std::string hf_readme(const ReadmeOf& of, const ExportSource& source);
// The `loading` of a class of transformers.
std::string hf_loading(const std::string& model_class);
std::string hf_t5_readme(const T5Config& t5, const ExportSource& source);

// What differs of a BERT under T5's decoder. transformers has no class for the pair: config.json
// holds the configs of both ("encoder", "decoder"), and README.md joins its BertModel and its T5 in
// a few lines. Vocabulary: the decoder's start, then ID tokens.
nlohmann::json pair_config(const T5Config& t5, const ExportSource& source);
nlohmann::json pair_tokenizer_config(const T5Config& t5);
std::string_view pair_loading();      // README.md: a block of Python
std::string_view pair_differences();  // README.md: items of a list

}  // namespace tutti::checkpoints
