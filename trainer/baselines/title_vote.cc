#include "trainer/baselines/title_vote.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

// Distinct words of a title, in order of first use.
std::vector<std::string_view> distinct_words(std::string_view normalized) {
  std::vector<std::string_view> distinct;
  for (const std::string_view word : data::words_of(normalized)) {
    if (std::find(distinct.begin(), distinct.end(), word) == distinct.end())
      distinct.push_back(word);
  }
  return distinct;
}

template <typename Visit>
void for_each_training_playlist(const data::TitleTable& titles, const BlockSource& playlists,
                                const Visit& visit) {
  playlists([&](const data::PlaylistBlock& block) {
    for (int64_t i = 0; i < block.size(); ++i) {
      if (block.parts[i] != data::Part::kTrain) continue;
      visit(titles.normalized_of[block.titles[i]], block.tracks_of(i));
    }
  });
}

}  // namespace

TitleIndex TitleIndex::build(const data::Dataset& dataset) {
  return build(dataset.titles(), dataset.num_tracks(), blocks_of(dataset));
}

TitleIndex TitleIndex::build(const data::TitleTable& titles, int64_t num_tracks,
                             const BlockSource& playlists) {
  TitleIndex index;
  std::vector<int32_t> row_of(titles.normalized.size(), -1);  // of titles with training playlists
  for (int64_t t = 0; t < titles.normalized.size(); ++t) {
    if (titles.train_playlists_of[t] == 0) continue;
    row_of[t] = static_cast<int32_t>(index.playlists_of_.size());
    index.playlists_of_.push_back(titles.train_playlists_of[t]);
  }

  // A title's tracks, one entry a playlist that holds it; then equal ones become one vote.
  std::vector<int64_t> begins(index.num_titles() + 1, 0);
  for_each_training_playlist(titles, playlists, [&](int32_t title, auto tracks) {
    begins[row_of[title] + 1] += std::ssize(tracks);
  });
  for (int64_t t = 0; t < index.num_titles(); ++t) begins[t + 1] += begins[t];
  std::vector<int32_t> entries(begins.back());
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  for_each_training_playlist(titles, playlists, [&](int32_t title, auto tracks) {
    int64_t& at = next[row_of[title]];
    std::copy(tracks.begin(), tracks.end(), entries.begin() + at);
    at += std::ssize(tracks);
  });
  std::vector<int32_t> counts(num_tracks, 0), distinct;
  for (int64_t t = 0; t < index.num_titles(); ++t) {
    distinct.clear();
    for (int64_t i = begins[t]; i < begins[t + 1]; ++i) {
      if (counts[entries[i]]++ == 0) distinct.push_back(entries[i]);
    }
    std::sort(distinct.begin(), distinct.end());
    for (const int32_t track : distinct) {
      index.votes_.push_back({track, counts[track]});
      counts[track] = 0;
    }
    index.vote_offsets_.push_back(std::ssize(index.votes_));
  }

  std::vector<std::vector<int32_t>> titles_of;  // [num_words]
  std::vector<std::vector<int32_t>> words_of_title(index.num_titles());
  for (int64_t t = 0; t < titles.normalized.size(); ++t) {
    if (row_of[t] < 0) continue;
    for (const std::string_view word : distinct_words(titles.normalized[t])) {
      const auto [found, is_new] =
          index.word_rows_.try_emplace(std::string(word), static_cast<int32_t>(titles_of.size()));
      if (is_new) titles_of.emplace_back();
      titles_of[found->second].push_back(row_of[t]);
      words_of_title[row_of[t]].push_back(found->second);
    }
  }
  for (const auto& holders : titles_of) {
    index.titles_of_words_.insert(index.titles_of_words_.end(), holders.begin(), holders.end());
    index.title_offsets_.push_back(std::ssize(index.titles_of_words_));
  }
  for (const auto& words : words_of_title) {
    double weight = 0;
    for (const int32_t word : words) {
      weight += std::log1p(static_cast<double>(index.num_titles()) /
                           static_cast<double>(titles_of[word].size()));
    }
    index.weight_of_.push_back(static_cast<float>(weight));
  }
  return index;
}

std::span<const TitleIndex::Vote> TitleIndex::votes_of(int32_t title) const {
  return std::span(votes_).subspan(vote_offsets_[title],
                                   vote_offsets_[title + 1] - vote_offsets_[title]);
}

std::span<const int32_t> TitleIndex::titles_with(std::string_view word) const {
  const auto found = word_rows_.find(std::string(word));
  if (found == word_rows_.end()) return {};
  const int64_t first = title_offsets_[found->second];
  return std::span(titles_of_words_).subspan(first, title_offsets_[found->second + 1] - first);
}

float TitleIndex::idf_of(std::string_view word) const {
  const auto holders = std::max<size_t>(titles_with(word).size(), 1);
  return static_cast<float>(
      std::log1p(static_cast<double>(num_titles()) / static_cast<double>(holders)));
}

TitleVoteRanker::TitleVoteRanker(const TitleIndex& index, const PopularityRanker& popularity,
                                 const TitleVoteParameters& parameters)
    : index_(index),
      parameters_(parameters),
      scores_(popularity),
      common_(index.num_titles(), 0.0F) {}

std::string TitleVoteRanker::name() const {
  return fmt::format("title vote ({} titles, shrinkage {:g})", parameters_.num_neighbours,
                     parameters_.shrinkage);
}

std::vector<TitleVoteRanker::Neighbour> TitleVoteRanker::neighbours_of(
    const std::string& normalized, int count) {
  double query_weight = 0;
  for (const std::string_view word : distinct_words(normalized)) {
    const float idf = index_.idf_of(word);
    query_weight += idf;
    for (const int32_t title : index_.titles_with(word)) {
      if (common_[title] == 0) touched_.push_back(title);
      common_[title] += idf;
    }
  }
  std::vector<Neighbour> neighbours;
  for (const int32_t title : touched_) {
    const double common = common_[title];
    common_[title] = 0;
    const double only_query = std::max(0.0, query_weight - common),
                 only_title = std::max(0.0, index_.weight_of(title) - common);
    const double similarity =
        common / (common + parameters_.alpha * only_query + parameters_.beta * only_title);
    neighbours.push_back({title, static_cast<float>(similarity)});
  }
  touched_.clear();
  const auto closer = [](const Neighbour& a, const Neighbour& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.title < b.title;
  };
  const auto kept = std::min<size_t>(neighbours.size(), count);
  std::partial_sort(neighbours.begin(), neighbours.begin() + static_cast<int64_t>(kept),
                    neighbours.end(), closer);
  neighbours.resize(kept);
  return neighbours;
}

std::vector<std::vector<Recommendation>> TitleVoteRanker::rank(std::span<const std::string> titles,
                                                               int k) {
  std::vector<std::vector<Recommendation>> result;
  result.reserve(titles.size());
  for (const std::string& title : titles) {
    for (const auto& [neighbour, similarity] :
         neighbours_of(data::normalize_title(title), parameters_.num_neighbours)) {
      const double playlists = index_.playlists_of(neighbour) + parameters_.shrinkage;
      for (const auto& vote : index_.votes_of(neighbour)) {
        scores_.add(vote.track, static_cast<float>(similarity * vote.playlists / playlists));
      }
    }
    result.push_back(scores_.take_top(k));
  }
  return result;
}

}  // namespace tutti::trainer
