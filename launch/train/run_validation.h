#pragma once

#include <cstdint>
#include <optional>

#include "checkpoints/softmax.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/evaluate/validator.h"
#include "trainer/models/id_model.h"

namespace tutti::launch {

// What the model of a run is asked between its steps, the same each time.
class RunValidation {
 public:
  // All that is referred to outlives this. `num_queries`: of seen and of unseen titles at most.
  // DataError when the dataset holds no playlist out for validation.
  RunValidation(const data::Dataset& dataset, int64_t num_queries, const trainer::IdModel& model,
                const data::Tokenizer& tokenizer, const ids::IdTable& table, const ids::Trie& trie,
                checkpoints::Softmax softmax);

  // Collective; equal on all ranks.
  trainer::Validation run(Communicator& comm);

 private:
  const trainer::IdModel& model_;
  const data::Tokenizer& tokenizer_;
  const ids::IdTable& table_;
  const ids::Trie& trie_;
  trainer::Validator validator_;
  trainer::GenerativeRanker ranker_;
};

}  // namespace tutti::launch
