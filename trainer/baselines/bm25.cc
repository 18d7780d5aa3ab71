#include "trainer/baselines/bm25.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"
#include "trainer/baselines/sparse_scores.h"

namespace tutti::trainer {

namespace {

// Calls visit(words of the title, tracks) for every training playlist of a block.
template <typename Visit>
void for_each_training_playlist(const data::PlaylistBlock& block, const data::TitleTable& titles,
                                const std::vector<int64_t>& word_offsets,
                                const std::vector<int32_t>& words, const Visit& visit) {
  for (int64_t i = 0; i < block.size(); ++i) {
    if (block.parts[i] != data::Part::kTrain) continue;
    const int32_t title = titles.normalized_of[block.titles[i]];
    const auto first = word_offsets[title];
    visit(std::span(words).subspan(first, word_offsets[title + 1] - first), block.tracks_of(i));
  }
}

}  // namespace

int32_t Bm25Index::add_word(const std::string& word) {
  return word_rows_.try_emplace(word, static_cast<int32_t>(word_rows_.size())).first->second;
}

namespace {

// Word rows of many texts, one behind the other.
struct Texts {
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> words;  // repeats kept

  std::span<const int32_t> operator[](int64_t i) const {
    return std::span(words).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

// The plain words of a track's names and tags, as asked for.
std::string words_about(const data::Catalog& catalog, int64_t track,
                        const Bm25Documents& documents) {
  std::string text;
  const auto add = [&text](std::string_view words) { text.append(words).append(" "); };
  if (documents.metadata) {
    add(catalog.track_names[track]);
    if (const int32_t artist = catalog.track_artist[track]; artist >= 0)
      add(catalog.artist_names[artist]);
    if (const int32_t album = catalog.track_album[track]; album >= 0)
      add(catalog.album_names[album]);
  }
  if (documents.tags) {
    for (const int32_t tag : catalog.tags_of(track)) {
      const std::string_view name = catalog.tag_names[tag];  // "genre:rock"
      const size_t colon = name.find(':');
      add(colon == std::string_view::npos ? name : name.substr(colon + 1));
    }
  }
  return data::normalize_title(text);
}

}  // namespace

Bm25Index Bm25Index::build(const data::Dataset& dataset, const Bm25Documents& documents) {
  Bm25Index index;
  const auto read = [&index](std::string_view text, Texts& texts) {
    for (std::string_view word : data::words_of(text))
      texts.words.push_back(index.add_word(std::string(word)));
    texts.offsets.push_back(std::ssize(texts.words));
  };
  Texts titles, about;
  if (documents.titles) {
    const auto& normalized = dataset.titles().normalized;
    for (int64_t t = 0; t < normalized.size(); ++t) read(normalized[t], titles);
  }
  const bool has_about = documents.metadata || documents.tags;
  for (int64_t t = 0; has_about && t < dataset.num_tracks(); ++t)
    read(words_about(dataset.catalog(), t, documents), about);
  const BlockSource playlists = blocks_of(dataset);
  index.fill(dataset.num_tracks(), [&](const TextVisitor& visit) {
    for (int32_t track = 0; has_about && track < dataset.num_tracks(); ++track)
      visit(about[track], {&track, 1});
    if (!documents.titles) return;
    playlists([&](const data::PlaylistBlock& block) {
      for_each_training_playlist(block, dataset.titles(), titles.offsets, titles.words, visit);
    });
  });
  return index;
}

Bm25Index Bm25Index::build(const data::TitleTable& titles, int64_t num_tracks,
                           const BlockSource& playlists) {
  Bm25Index index;
  std::vector<int64_t> word_offsets{0};  // [num_normalized + 1]
  std::vector<int32_t> words;            // repeats kept
  for (int64_t t = 0; t < titles.normalized.size(); ++t) {
    for (std::string_view word : data::words_of(titles.normalized[t])) {
      words.push_back(index.add_word(std::string(word)));
    }
    word_offsets.push_back(std::ssize(words));
  }
  index.fill(num_tracks, [&](const TextVisitor& visit) {
    playlists([&](const data::PlaylistBlock& block) {
      for_each_training_playlist(block, titles, word_offsets, words, visit);
    });
  });
  return index;
}

void Bm25Index::fill(int64_t num_tracks, const TextSource& texts) {
  const auto num_words = static_cast<int64_t>(word_rows_.size());
  // Occurrences of every word, one entry a (text, track, place in the text).
  std::vector<int64_t> begins(num_words + 1, 0);
  texts([&](auto text, auto tracks) {
    for (int32_t word : text) begins[word + 1] += std::ssize(tracks);
  });
  for (int64_t w = 0; w < num_words; ++w) begins[w + 1] += begins[w];
  std::vector<int32_t> occurrences(begins[num_words]);
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  texts([&](auto text, auto tracks) {
    for (int32_t word : text) {
      std::copy(tracks.begin(), tracks.end(), occurrences.begin() + next[word]);
      next[word] += std::ssize(tracks);
    }
  });

  // Equal tracks of a word become one posting: counted in a dense array, so the cost is linear but
  // for the sort of distinct tracks.
  std::vector<int32_t> counts(num_tracks, 0), distinct;
  lengths_.assign(num_tracks, 0);
  for (int64_t w = 0; w < num_words; ++w) {
    distinct.clear();
    for (int64_t i = begins[w]; i < begins[w + 1]; ++i) {
      if (counts[occurrences[i]]++ == 0) distinct.push_back(occurrences[i]);
    }
    std::sort(distinct.begin(), distinct.end());
    for (int32_t track : distinct) {
      postings_.push_back({track, counts[track]});
      lengths_[track] += counts[track];
      counts[track] = 0;
    }
    offsets_.push_back(std::ssize(postings_));
  }

  for (int64_t length : lengths_) num_documents_ += length > 0 ? 1 : 0;
  if (num_documents_ > 0) {
    mean_length_ = static_cast<double>(begins[num_words]) / static_cast<double>(num_documents_);
  }
}

int32_t Bm25Index::row_of(std::string_view word) const {
  const auto found = word_rows_.find(std::string(word));
  return found == word_rows_.end() ? -1 : found->second;
}

std::span<const Bm25Index::Posting> Bm25Index::postings_of_row(int32_t word) const {
  const int64_t first = offsets_[word];
  return std::span(postings_).subspan(first, offsets_[word + 1] - first);
}

std::span<const Bm25Index::Posting> Bm25Index::postings_of(std::string_view word) const {
  const int32_t row = row_of(word);
  if (row < 0) return {};
  return postings_of_row(row);
}

int64_t Bm25Index::occurrences_of(std::string_view word) const {
  int64_t sum = 0;
  for (const Posting& posting : postings_of(word)) sum += posting.count;
  return sum;
}

Bm25Ranker::Bm25Ranker(const Bm25Index& index, const PopularityRanker& popularity,
                       const Bm25Parameters& parameters, std::string documents)
    : index_(index),
      popularity_(popularity),
      parameters_(parameters),
      documents_(std::move(documents)),
      places_(popularity.places()),
      search_(impacts(), std::ssize(index.lengths())) {
  TUTTI_CHECK(popularity.order().size() == index.lengths().size(),
              "index and popularity are of one catalog");
}

ImpactLists Bm25Ranker::impacts() const {
  const double mean_length = std::max(index_.mean_length(), 1.0);  // 1: no document at all
  std::vector<float> saturation;  // [num_tracks], k1 * (1 - b + b * length / mean length)
  for (const int64_t length : index_.lengths()) {
    const double relative = static_cast<double>(length) / mean_length;
    saturation.push_back(
        static_cast<float>(parameters_.k1 * (1 - parameters_.b + parameters_.b * relative)));
  }
  ImpactLists lists;
  const auto total = static_cast<double>(index_.num_documents());
  for (int32_t word = 0; word < index_.num_words(); ++word) {
    const auto postings = index_.postings_of_row(word);
    const auto n = static_cast<double>(postings.size());
    const auto idf = static_cast<float>(std::log(1 + (total - n + 0.5) / (n + 0.5)));
    for (const auto& posting : postings) {
      const auto count = static_cast<float>(posting.count);
      lists.documents.push_back(posting.track);
      lists.impacts.push_back(idf * count / (count + saturation[posting.track]));
    }
    lists.offsets.push_back(std::ssize(lists.documents));
  }
  return lists;
}

std::string Bm25Ranker::name() const {
  return fmt::format("BM25{}{} (k1 {:g}, b {:g})", documents_.empty() ? "" : " ", documents_,
                     parameters_.k1, parameters_.b);
}

std::vector<std::vector<Recommendation>> Bm25Ranker::rank(std::span<const std::string> titles,
                                                          int k) {
  TUTTI_CHECK(k > 0);
  std::vector<std::vector<Recommendation>> result;
  result.reserve(titles.size());
  for (const auto& title : titles) {
    const std::string normalized = data::normalize_title(title);
    std::vector<int32_t> words;
    for (std::string_view word : data::words_of(normalized)) {
      if (const int32_t row = index_.row_of(word); row >= 0) words.push_back(row);
    }
    result.push_back(search_.top(words, k, places_));
    fill_with_popular(result.back(), popularity_, k);
  }
  return result;
}

}  // namespace tutti::trainer
