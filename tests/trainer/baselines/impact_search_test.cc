#include "trainer/baselines/impact_search.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

constexpr int32_t kDocuments = 9000;  // several blocks, the last one not full

// A word of nearly all documents, some of half, a fifth, a hundredth, of few, and of none. Impacts
// take few values, so that many sums are equal.
ImpactLists random_lists(uint64_t seed) {
  ImpactLists lists;
  Rng rng(seed, Purpose::kTest);
  for (const double share : {0.95, 0.6, 0.5, 0.2, 0.2, 0.01, 0.01, 0.0005, 0.0002, 0.0}) {
    for (int32_t document = 0; document < kDocuments; ++document) {
      if (rng.uniform() >= share) continue;
      lists.documents.push_back(document);
      lists.impacts.push_back(0.25F * static_cast<float>(1 + rng.below(6)) *
                              static_cast<float>(1.2 - share));
    }
    lists.offsets.push_back(std::ssize(lists.documents));
  }
  return lists;
}

std::vector<Recommendation> by_brute_force(const ImpactLists& lists,
                                           const std::vector<int32_t>& words, int k,
                                           const std::vector<int32_t>& place_of) {
  std::vector<float> sums(kDocuments, 0);
  for (const int32_t word : words) {
    for (int64_t i = lists.offsets[word]; i < lists.offsets[word + 1]; ++i) {
      sums[lists.documents[i]] += lists.impacts[i];
    }
  }
  std::vector<Recommendation> all;
  for (int32_t document = 0; document < kDocuments; ++document) {
    if (sums[document] > 0) all.push_back({document, sums[document]});
  }
  std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return a.score != b.score ? a.score > b.score : place_of[a.track] < place_of[b.track];
  });
  all.resize(std::min<size_t>(all.size(), k));
  return all;
}

TEST(ImpactSearch, FindsWhatBruteForceFindsTiesIncluded) {
  std::vector<int32_t> place_of(kDocuments);
  const Permutation places(kDocuments, 3, Purpose::kTest);
  for (int32_t d = 0; d < kDocuments; ++d) place_of[d] = static_cast<int32_t>(places(d));
  const ImpactLists lists = random_lists(1);
  const auto num_words = static_cast<uint64_t>(std::ssize(lists.offsets)) - 1;
  ImpactSearch search(lists, kDocuments);
  Rng rng(2, Purpose::kTest);
  for (int query = 0; query < 300; ++query) {
    std::vector<int32_t> words(rng.below(6));  // maybe none, maybe one twice
    for (int32_t& word : words) word = static_cast<int32_t>(rng.below(num_words));
    for (const int k : {1, 10, 200}) {
      const auto found = search.top(words, k, place_of);
      const auto expected = by_brute_force(lists, words, k, place_of);
      ASSERT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].track, expected[i].track) << "query " << query << ", place " << i;
        EXPECT_EQ(found[i].score, expected[i].score);
      }
    }
  }
}

}  // namespace
}  // namespace tutti::trainer
