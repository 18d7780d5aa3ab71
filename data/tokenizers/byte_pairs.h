#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tutti::data {

// The vocabulary and merges of a byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2).
// Spellings are those of the files: each byte is a visible character ("Ġ" is a blank).
class BytePairs {
 public:
  // `ignore_merges`: a word that is in the vocabulary is taken whole (Llama 3). `unknown`: the id
  // of a byte that the vocabulary lacks, -1: it is left out. `fuse_unknown`: a run of them is one.
  struct Options {
    bool ignore_merges = false;
    int32_t unknown = -1;
    bool fuse_unknown = false;
  };
  // `merges`: two spellings each, most important first. DataError naming the merge whose parts or
  // result are not in the vocabulary.
  BytePairs(std::unordered_map<std::string, int32_t> vocabulary,
            const std::vector<std::pair<std::string, std::string>>& merges, const Options& options,
            const std::string& origin);

  // Appends the ids of one word of plain bytes.
  void encode(std::string_view word, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    int32_t rank, id;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }

  std::unordered_map<std::string, int32_t> vocabulary_;
  std::unordered_map<uint64_t, Merge> merges_;
  std::array<int32_t, 256> byte_ids_{};  // -1: not in the vocabulary
  Options options_;
};

// A byte as the character that byte-level vocabularies write for it, in UTF-8.
const std::string& byte_spelling(unsigned char byte);

}  // namespace tutti::data
