#include "trainer/evaluate/evaluator.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <vector>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

namespace {

static_assert(sizeof(MetricsAtK) % sizeof(double) == 0, "summed as a row of doubles");
constexpr int64_t kDoublesPerQuery = sizeof(MetricsAtK) / sizeof(double);

// Titles by length, so that a call holds titles of about one length (ties by row: a total order).
std::vector<int32_t> titles_by_length(const std::vector<std::string>& titles) {
  std::vector<int32_t> order(titles.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&titles](int32_t a, int32_t b) { return titles[a].size() < titles[b].size(); });
  return order;
}

}  // namespace

Evaluation evaluate(Ranker& ranker, const QuerySet& queries, const EvaluationOptions& options,
                    Communicator& comm) {
  TUTTI_CHECK(options.k > 0 && options.titles_at_once > 0);
  const auto start = std::chrono::steady_clock::now();

  const std::vector<int32_t> order = titles_by_length(queries.titles);
  std::vector<std::vector<Recommendation>> lists(queries.titles.size());
  std::vector<bool> is_mine(queries.titles.size(), false);
  const int64_t num_titles = std::ssize(order);
  const int64_t stride = int64_t{options.titles_at_once} * comm.size();
  for (int64_t first = int64_t{options.titles_at_once} * comm.rank(); first < num_titles;
       first += stride) {
    const int64_t last = std::min(first + options.titles_at_once, num_titles);
    std::vector<std::string> titles;
    for (int64_t i = first; i < last; ++i) titles.push_back(queries.titles[order[i]]);
    auto ranked = ranker.rank(titles, options.k);
    TUTTI_CHECK(ranked.size() == titles.size());
    for (int64_t i = first; i < last; ++i) {
      lists[order[i]] = std::move(ranked[i - first]);
      is_mine[order[i]] = true;
    }
    if (options.on_ranked) options.on_ranked(last - first);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  // One rank has the query, the others add zeros: the sum is exact, in whatever order it is taken.
  std::vector<MetricsAtK> scored(queries.size());
  std::vector<int32_t> ranking;
  for (int64_t q = 0; q < queries.size(); ++q) {
    const int32_t title = queries.title_of[q];
    if (!is_mine[title]) continue;
    ranking.clear();
    for (const auto& recommendation : lists[title]) ranking.push_back(recommendation.track);
    scored[q] = metrics_at_k(ranking, queries.relevant_of(q), options.k);
  }
  comm.all_reduce(scored.data(), std::ssize(scored) * kDoublesPerQuery, DType::kFloat64,
                  ReduceOp::kSum);

  Evaluation result;
  result.ranker = ranker.name();
  result.metrics = mean(scored);
  result.num_queries = queries.size();
  result.num_titles = num_titles;
  result.seconds = static_cast<double>(comm.max(static_cast<int64_t>(seconds * 1e6))) * 1e-6;
  return result;
}

}  // namespace tutti::trainer
