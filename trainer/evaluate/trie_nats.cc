#include "trainer/evaluate/trie_nats.h"

#include <algorithm>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include "trainer/loss.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kQueriesAtOnce = 16;

}  // namespace

TrieNats trie_nats(const IdModel& model, const data::Tokenizer& tokenizer,
                   const ids::IdTable& table, const ids::Trie& trie, const QuerySet& queries,
                   int64_t max_queries, Communicator& comm) {
  const c10::NoGradGuard no_grad;
  const int64_t size = max_queries == 0 ? queries.size() : std::min(max_queries, queries.size());
  const int64_t num_batches = (size + kQueriesAtOnce - 1) / kQueriesAtOnce;
  Packer packer(table, trie, {.softmax = checkpoints::Softmax::kTrie});
  PackedBatch batch;
  std::vector<double> sums(num_batches, 0.0);  // a batch is one rank's: the others add 0
  for (int64_t b = comm.rank(); b < num_batches; b += comm.size()) {
    const int64_t first = b * kQueriesAtOnce, last = std::min(first + kQueriesAtOnce, size);
    std::vector<std::vector<int32_t>> titles;
    for (int64_t i = first; i < last; ++i) {
      titles.push_back(tokenizer.encode(queries.titles[queries.title_of[i]]));
    }
    std::vector<TitleGroup> groups;
    for (int64_t i = first; i < last; ++i) {
      groups.push_back({.title_tokens = titles[i - first], .tracks = queries.relevant_of(i)});
    }
    packer.pack(groups, batch);
    sums[b] = packed_loss(model, batch, table).item<double>();
  }
  comm.all_reduce_sum(sums);
  TrieNats nats = {.mean = 0, .num_tracks = size > 0 ? queries.offsets[size] : 0};
  for (const double sum : sums) nats.mean += sum;
  if (nats.num_tracks > 0) nats.mean /= static_cast<double>(nats.num_tracks);
  return nats;
}

}  // namespace tutti::trainer
