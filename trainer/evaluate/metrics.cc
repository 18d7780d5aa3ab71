#include "trainer/evaluate/metrics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

namespace {

double gain_at(int64_t place) {
  return 1.0 / std::log2(static_cast<double>(place) + 1.0);
}

void require_distinct(std::span<const int32_t> ranking) {
  std::vector<int32_t> sorted(ranking.begin(), ranking.end());
  std::sort(sorted.begin(), sorted.end());
  TUTTI_CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(),
              "a ranking holds a track twice");
}

}  // namespace

MetricsAtK metrics_at_k(std::span<const int32_t> ranking, std::span<const int32_t> relevant,
                        int k) {
  TUTTI_CHECK(k > 0);
  TUTTI_CHECK(!relevant.empty(), "a query without relevant tracks has no metrics");
  TUTTI_CHECK(std::is_sorted(relevant.begin(), relevant.end()));
  require_distinct(ranking);

  MetricsAtK m;
  const int64_t places = std::min<int64_t>(k, std::ssize(ranking));
  for (int64_t place = 1; place <= places; ++place) {
    if (!std::binary_search(relevant.begin(), relevant.end(), ranking[place - 1])) continue;
    if (m.hits == 0) m.mrr = 1.0 / static_cast<double>(place);
    m.hits += 1;
    m.ndcg += gain_at(place);
  }
  double ideal = 0;
  for (int64_t place = 1; place <= std::min<int64_t>(k, std::ssize(relevant)); ++place) {
    ideal += gain_at(place);
  }
  m.hit_rate = m.hits > 0 ? 1 : 0;
  m.precision = m.hits / k;
  m.recall = m.hits / static_cast<double>(relevant.size());
  m.ndcg /= ideal;
  return m;
}

MetricsAtK mean(std::span<const MetricsAtK> queries) {
  MetricsAtK sum;
  if (queries.empty()) return sum;
  for (const MetricsAtK& q : queries) {
    sum.hits += q.hits;
    sum.hit_rate += q.hit_rate;
    sum.precision += q.precision;
    sum.recall += q.recall;
    sum.ndcg += q.ndcg;
    sum.mrr += q.mrr;
  }
  const auto n = static_cast<double>(queries.size());
  return {sum.hits / n,   sum.hit_rate / n, sum.precision / n,
          sum.recall / n, sum.ndcg / n,     sum.mrr / n};
}

}  // namespace tutti::trainer
