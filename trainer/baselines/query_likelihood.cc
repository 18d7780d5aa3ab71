#include "trainer/baselines/query_likelihood.h"

#include <cmath>

#include <fmt/core.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {

QueryLikelihoodRanker::QueryLikelihoodRanker(const Bm25Index& index,
                                             const PopularityRanker& popularity, double mu)
    : index_(index), mu_(mu), scores_(popularity) {
  TUTTI_CHECK(mu > 0);
}

std::string QueryLikelihoodRanker::name() const {
  return fmt::format("query likelihood (mu {:g})", mu_);
}

std::vector<std::vector<Recommendation>> QueryLikelihoodRanker::rank(
    std::span<const std::string> titles, int k) {
  const double num_words = index_.mean_length() * static_cast<double>(index_.num_documents());
  std::vector<std::vector<Recommendation>> result;
  result.reserve(titles.size());
  for (const std::string& title : titles) {
    const std::string normalized = data::normalize_title(title);
    // ln((tf + mu p) / (length + mu)) - ln p = ln(1 + tf / (mu p)) - ln(1 + length / mu): the first
    // term is 0 but for postings, the second is the document's alone.
    int known_words = 0;
    for (const std::string_view word : data::words_of(normalized)) {
      const auto occurrences = static_cast<double>(index_.occurrences_of(word));
      if (occurrences == 0) continue;
      ++known_words;
      const double expected = mu_ * occurrences / num_words;
      for (const auto& posting : index_.postings_of(word)) {
        scores_.add(posting.track, static_cast<float>(std::log1p(posting.count / expected)));
      }
    }
    scores_.transform([&](int32_t track, float sum) {
      const auto length = static_cast<double>(index_.lengths()[track]);
      return static_cast<float>(sum - known_words * std::log1p(length / mu_));
    });
    result.push_back(scores_.take_top(k));
  }
  return result;
}

}  // namespace tutti::trainer
