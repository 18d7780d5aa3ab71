#include "trainer/baselines/exact_search.h"

#include <algorithm>

#include <ATen/ops/empty.h>

#include "dist/runtime/errors.h"
#include "ids/gemm.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kTile = 8192;  // rows: 32 queries' scores of a tile stay in the cache

bool better(const Recommendation& a, const Recommendation& b) {
  return a.score != b.score ? a.score > b.score : a.track < b.track;
}

}  // namespace

std::vector<std::vector<Recommendation>> nearest_rows(const at::Tensor& queries,
                                                      const at::Tensor& rows, int k,
                                                      std::span<const float> scale) {
  TUTTI_CHECK(k > 0 && (scale.empty() || std::ssize(scale) == rows.size(0)));
  const int64_t num_queries = queries.size(0), num_rows = rows.size(0);
  std::vector<std::vector<Recommendation>> lists(num_queries);  // heaps, the worst in front
  for (int64_t first = 0; first < num_rows && num_queries > 0; first += kTile) {
    const int64_t count = std::min(kTile, num_rows - first);
    at::Tensor scores = at::empty({num_queries, count}, at::kFloat);
    ids::gemm(queries, rows.narrow(0, first, count).t(), scores);
    const auto* row = scores.const_data_ptr<float>();
    for (auto& list : lists) {
      for (int64_t t = 0; t < count; ++t) {
        const float factor = scale.empty() ? 1.0F : scale[first + t];
        const Recommendation candidate{static_cast<int32_t>(first + t), row[t] * factor};
        if (std::ssize(list) == k && !better(candidate, list.front())) continue;
        list.push_back(candidate);
        std::push_heap(list.begin(), list.end(), better);
        if (std::ssize(list) <= k) continue;
        std::pop_heap(list.begin(), list.end(), better);
        list.pop_back();
      }
      row += count;
    }
  }
  for (auto& list : lists) std::sort_heap(list.begin(), list.end(), better);
  return lists;
}

}  // namespace tutti::trainer
