#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/tokenizers/byte_pairs.h"

namespace tutti::checkpoints {

// Byte-level BPE of 256 bytes, a merge or two and two special tokens: 260 pieces.
inline std::vector<std::string> tiny_bpe_tokens() {
  std::vector<std::string> tokens = {"<|end|>", "<|start|>"};
  for (unsigned byte = 0; byte < 256; ++byte) {
    tokens.push_back(data::byte_spelling(static_cast<unsigned char>(byte)));
  }
  tokens.insert(tokens.end(), {"ro", "ck"});
  return tokens;
}
inline std::vector<std::string> tiny_bpe_merges() {
  return {"r o", "c k"};
}

inline nlohmann::json tiny_bpe_json() {
  nlohmann::json vocab = nlohmann::json::object(), added = nlohmann::json::array();
  const std::vector<std::string> tokens = tiny_bpe_tokens();
  for (size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id]] = id;
  for (int id = 0; id < 2; ++id) {
    added.push_back({{"id", id}, {"content", tokens[static_cast<size_t>(id)]}, {"special", true}});
  }
  return {{"added_tokens", added},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", tiny_bpe_merges()}}}};
}

// WordPiece of 30 pieces.
inline nlohmann::json tiny_word_piece_json() {
  nlohmann::json vocab = {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}};
  for (char c = 'a'; c <= 'z'; ++c) vocab[std::string(1, c)] = vocab.size();
  return {{"added_tokens", nlohmann::json::array()},
          {"normalizer", {{"type", "BertNormalizer"}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
          {"model", {{"type", "WordPiece"}, {"vocab", vocab}}}};
}

}  // namespace tutti::checkpoints
