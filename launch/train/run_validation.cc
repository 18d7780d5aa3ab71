#include "launch/train/run_validation.h"

#include "trainer/evaluate/trie_nats.h"

namespace tutti::launch {
namespace {

constexpr int kBeam = 16;
constexpr int64_t kNatsQueries = 100;  // enough to compare: thousands of tracks

}  // namespace

RunValidation::RunValidation(const data::Dataset& dataset, int64_t num_queries,
                             const trainer::IdModel& model, const data::Tokenizer& tokenizer,
                             const ids::IdTable& table, const ids::Trie& trie,
                             checkpoints::Softmax softmax)
    : model_(model),
      tokenizer_(tokenizer),
      table_(table),
      trie_(trie),
      validator_(dataset, num_queries),
      ranker_(model, tokenizer, table, trie, {.beam = kBeam, .softmax = softmax}) {}

trainer::Validation RunValidation::run(Communicator& comm) {
  trainer::Validation validation = validator_.run(ranker_, comm);
  const auto& [seen, unseen] = validator_.queries();
  validation.trie_nats = trainer::trie_nats(model_, tokenizer_, table_, trie_,
                                            seen.size() > 0 ? seen : unseen, kNatsQueries, comm)
                             .mean;
  return validation;
}

}  // namespace tutti::launch
