#include "trainer/baselines/bm25.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"

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

std::span<const Bm25Index::Posting> Bm25Index::postings_of(std::string_view word) const {
  const auto found = word_rows_.find(std::string(word));
  if (found == word_rows_.end()) return {};
  const int64_t first = offsets_[found->second];
  return std::span(postings_).subspan(first, offsets_[found->second + 1] - first);
}

int64_t Bm25Index::occurrences_of(std::string_view word) const {
  int64_t sum = 0;
  for (const Posting& posting : postings_of(word)) sum += posting.count;
  return sum;
}

Bm25Ranker::Bm25Ranker(const Bm25Index& index, const PopularityRanker& popularity,
                       const Bm25Parameters& parameters, std::string documents)
    : index_(index),
      parameters_(parameters),
      documents_(std::move(documents)),
      saturation_(index.lengths().size()),
      scores_(popularity) {
  TUTTI_CHECK(popularity.order().size() == saturation_.size(),
              "index and popularity are of one catalog");
  const double mean_length = std::max(index.mean_length(), 1.0);  // 1: no document at all
  for (size_t t = 0; t < saturation_.size(); ++t) {
    const double length = static_cast<double>(index.lengths()[t]) / mean_length;
    saturation_[t] = static_cast<float>(parameters.k1 * (1 - parameters.b + parameters.b * length));
  }
}

std::string Bm25Ranker::name() const {
  return fmt::format("BM25{}{} (k1 {:g}, b {:g})", documents_.empty() ? "" : " ", documents_,
                     parameters_.k1, parameters_.b);
}

void Bm25Ranker::add_scores(std::string_view word) {
  const auto postings = index_.postings_of(word);
  const auto n = static_cast<double>(postings.size());
  const auto total = static_cast<double>(index_.num_documents());
  const auto idf = static_cast<float>(std::log(1 + (total - n + 0.5) / (n + 0.5)));
  for (const auto& posting : postings) {
    const auto count = static_cast<float>(posting.count);
    scores_.add(posting.track, idf * count / (count + saturation_[posting.track]));
  }
}

std::vector<std::vector<Recommendation>> Bm25Ranker::rank(std::span<const std::string> titles,
                                                          int k) {
  TUTTI_CHECK(k > 0);
  std::vector<std::vector<Recommendation>> result;
  result.reserve(titles.size());
  for (const auto& title : titles) {
    const std::string normalized = data::normalize_title(title);
    for (std::string_view word : data::words_of(normalized)) add_scores(word);
    result.push_back(scores_.take_top(k));
  }
  return result;
}

}  // namespace tutti::trainer
