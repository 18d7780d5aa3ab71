#include "trainer/evaluate/evaluator.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <vector>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

namespace {

// Titles by length, so that a call holds titles of about one length (ties by row: a total order).
std::vector<int32_t> titles_by_length(const std::vector<std::string>& titles) {
  std::vector<int32_t> order(titles.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&titles](int32_t a, int32_t b) { return titles[a].size() < titles[b].size(); });
  return order;
}

std::vector<int32_t> tracks_of(const std::vector<Recommendation>& list) {
  std::vector<int32_t> tracks(list.size());
  std::transform(list.begin(), list.end(), tracks.begin(), [](const auto& r) { return r.track; });
  return tracks;
}

// The lists of all ranks: each title has one owner.
std::vector<std::vector<Recommendation>> gathered(
    const std::vector<std::vector<Recommendation>>& lists, const std::vector<bool>& is_mine,
    Communicator& comm) {
  struct Item {
    int32_t title;
    Recommendation recommendation;
  };
  std::vector<Item> mine;
  for (size_t title = 0; title < lists.size(); ++title) {
    if (!is_mine[title]) continue;
    for (const auto& item : lists[title]) mine.push_back({static_cast<int32_t>(title), item});
  }
  std::vector<std::vector<Recommendation>> all(lists.size());
  for (const Item& item : comm.all_gather(std::span<const Item>(mine))) {
    all[item.title].push_back(item.recommendation);  // an owner's come in order of place
  }
  return all;
}

}  // namespace

Evaluation evaluate(Ranker& ranker, const QuerySet& queries, const EvaluationOptions& options,
                    Communicator& comm) {
  TUTTI_CHECK(options.depth > 0 && options.titles_at_once > 0);
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
    auto ranked = ranker.rank(titles, options.depth);
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
  Evaluation result;
  result.ranker = ranker.name();
  result.metrics = options.metrics;
  const int64_t columns = options.metrics.num_columns();
  result.scores.assign(queries.size() * columns, 0);
  for (int64_t q = 0; q < queries.size(); ++q) {
    const int32_t title = queries.title_of[q];
    if (!is_mine[title]) continue;
    options.metrics.score(tracks_of(lists[title]), queries.relevant_of(q),
                          std::span(result.scores).subspan(q * columns, columns));
  }
  comm.all_reduce(result.scores.data(), std::ssize(result.scores), DType::kFloat64, ReduceOp::kSum);
  if (options.keep_lists) result.lists = gathered(lists, is_mine, comm);
  result.num_queries = queries.size();
  result.num_titles = num_titles;
  result.seconds = static_cast<double>(comm.max(static_cast<int64_t>(seconds * 1e6))) * 1e-6;
  return result;
}

Evaluation evaluate_lists(const std::string& system,
                          std::span<const std::vector<Recommendation>> lists,
                          const QuerySet& queries, const EvaluationOptions& options) {
  TUTTI_CHECK(std::ssize(lists) == queries.size(), "a list a query");
  Evaluation result;
  result.ranker = system;
  result.metrics = options.metrics;
  const int64_t columns = options.metrics.num_columns();
  result.scores.assign(queries.size() * columns, 0);
  for (int64_t q = 0; q < queries.size(); ++q) {
    auto ranking = tracks_of(lists[q]);
    if (std::ssize(ranking) > options.depth) ranking.resize(options.depth);
    options.metrics.score(ranking, queries.relevant_of(q),
                          std::span(result.scores).subspan(q * columns, columns));
  }
  result.num_queries = queries.size();
  result.num_titles = std::ssize(queries.titles);
  return result;
}

double Evaluation::mean(std::string_view metric) const {
  if (num_queries == 0) return 0;
  const int64_t columns = metrics.num_columns();
  double sum = 0;
  for (int64_t q = 0, at = metrics.column(metric); q < num_queries; ++q, at += columns) {
    sum += scores[at];
  }
  return sum / static_cast<double>(num_queries);
}

std::vector<double> Evaluation::values_of(std::string_view metric) const {
  std::vector<double> values;
  values.reserve(num_queries);
  const int64_t columns = metrics.num_columns();
  for (int64_t q = 0, at = metrics.column(metric); q < num_queries; ++q, at += columns) {
    values.push_back(scores[at]);
  }
  return values;
}

}  // namespace tutti::trainer
