#pragma once

#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/decode/beam_search.h"
#include "trainer/evaluate/ranker.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

struct GenerativeOptions {
  int beam = 32;  // see BeamOptions, also for the next three
  int groups = 1;
  double diversity = 0;
  bool distinct = true;               // false: as transformers; lists are not filled then
  Softmax softmax = Softmax::kLevel;  // the one the model was trained with
  int titles_at_once = 32;            // titles a forward pass, of about one length
};

// Title words in, tracks out: encodes titles in padded batches and searches the trie of all IDs.
// Where diverse groups find fewer than k tracks, those that plain beams find come behind them, with
// scores no better than the last.
// Model, tokenizer, table and trie must outlive the ranker.
class GenerativeRanker : public Ranker {
 public:
  GenerativeRanker(const IdModel& model, const data::Tokenizer& tokenizer,
                   const ids::IdTable& table, const ids::Trie& trie,
                   const GenerativeOptions& options);

  std::string name() const override { return "generative"; }
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

 private:
  // Lists for titles of about one length, already in tokens.
  std::vector<std::vector<Recommendation>> rank_batch(
      std::span<const std::vector<int32_t>* const> titles, int k) const;

  const IdModel& model_;
  const data::Tokenizer& tokenizer_;
  const ids::IdTable& table_;
  const ids::Trie& trie_;
  GenerativeOptions options_;
};

}  // namespace tutti::trainer
