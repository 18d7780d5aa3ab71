#include "trainer/baselines/track_documents.h"

#include <algorithm>
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"

namespace tutti::trainer {
std::string names_of(const data::Catalog& catalog, int64_t track) {
  std::string text;
  const auto add = [&text](std::string_view words) {
    if (words.empty()) return;
    if (!text.empty()) text += ' ';
    text += words;
  };
  add(catalog.track_names[track]);
  if (const int32_t artist = catalog.track_artist[track]; artist >= 0) {
    add(catalog.artist_names[artist]);
  }
  if (const int32_t album = catalog.track_album[track]; album >= 0) add(catalog.album_names[album]);
  return text;
}

TrackDocuments::TrackDocuments(const data::Dataset& dataset, DocumentKind kind)
    : kind_(kind), index_(TitleIndex::build(dataset)) {
  const data::TitleTable& titles = dataset.titles();
  for (int64_t t = 0; t < titles.normalized.size(); ++t) {
    if (titles.train_playlists_of[t] > 0) texts_.emplace_back(titles.normalized[t]);
  }
  TUTTI_CHECK(std::ssize(texts_) == index_.num_titles());

  const int64_t num_tracks = dataset.num_tracks();
  offsets_.assign(num_tracks + 1, 0);
  for (int32_t title = 0; title < index_.num_titles(); ++title) {
    for (const auto& vote : index_.votes_of(title)) ++offsets_[vote.track + 1];
  }
  for (int64_t t = 0; t < num_tracks; ++t) offsets_[t + 1] += offsets_[t];
  titles_.resize(offsets_.back());
  std::vector<int64_t> next(offsets_.begin(), offsets_.end() - 1);
  for (int32_t title = 0; title < index_.num_titles(); ++title) {
    for (const auto& vote : index_.votes_of(title)) {
      titles_[next[vote.track]++] = {title, vote.playlists};
    }
  }
  if (kind == DocumentKind::kTitles) return;
  bool has_names = false;
  for (int64_t t = 0; t < num_tracks; ++t) {
    texts_.push_back(names_of(dataset.catalog(), t));
    has_names = has_names || !texts_.back().empty();
  }
  if (!has_names) {
    throw UsageError(Problem{dataset.path().string(), "--documents", "a catalogue without names",
                             "names of tracks, artists or albums", "use --documents titles"});
  }
}

std::span<const TrackDocuments::TrackTitle> TrackDocuments::titles_of(int32_t track) const {
  return std::span(titles_).subspan(offsets_[track], offsets_[track + 1] - offsets_[track]);
}

bool TrackDocuments::is_known(int32_t title, int32_t track) const {
  const auto votes = index_.votes_of(title);
  const auto found =
      std::lower_bound(votes.begin(), votes.end(), track,
                       [](const TitleIndex::Vote& vote, int32_t t) { return vote.track < t; });
  return found != votes.end() && found->track == track;
}

TrackDocuments::Document TrackDocuments::document_of(int32_t track) const {
  Document document;
  int64_t playlists = 0;
  for (const TrackTitle& t : titles_of(track)) playlists += t.playlists;
  for (const TrackTitle& t : titles_of(track)) {
    if (!has_titles()) break;
    document.push_back({t.title, static_cast<float>(t.playlists) / static_cast<float>(playlists)});
  }
  if (kind_ != DocumentKind::kTitles) document.push_back({index_.num_titles() + track, 1});
  return document;
}

TrackDocuments::Document TrackDocuments::document_of(int32_t track,
                                                     std::span<const int32_t> titles) const {
  Document document;
  for (const int32_t title : titles) {
    document.push_back({title, 1.0F / static_cast<float>(titles.size())});
  }
  if (kind_ != DocumentKind::kTitles) document.push_back({index_.num_titles() + track, 1});
  return document;
}

at::Tensor TrackDocuments::sums(const std::vector<Document>& documents, const at::Tensor& vectors) {
  std::vector<int64_t> text, document;
  std::vector<float> weight;
  for (int64_t d = 0; d < std::ssize(documents); ++d) {
    for (const Part& part : documents[d]) {
      text.push_back(part.text);
      document.push_back(d);
      weight.push_back(part.weight);
    }
  }
  const at::Tensor parts = vectors.index_select(0, at::tensor(text, at::kLong)) *
                           at::tensor(weight, at::kFloat).unsqueeze(1);
  return at::zeros({std::ssize(documents), vectors.size(1)}, at::kFloat)
      .index_add(0, at::tensor(document, at::kLong), parts);
}

at::Tensor TrackDocuments::vectors(const BiEncoder& encoder, Communicator& comm) const {
  const at::Tensor texts = encoder.encode_all(texts_, comm);
  const auto num_tracks = std::ssize(offsets_) - 1;
  const int64_t width = texts.size(1);
  const at::Tensor out = at::zeros({num_tracks, width}, at::kFloat);
  const auto* values = texts.const_data_ptr<float>();
  auto* row = out.mutable_data_ptr<float>();
  for (int64_t track = 0; track < num_tracks; ++track, row += width) {
    for (const Part& part : document_of(static_cast<int32_t>(track))) {
      const float* text = values + part.text * width;
      for (int64_t d = 0; d < width; ++d) row[d] += part.weight * text[d];
    }
  }
  return out;
}

}  // namespace tutti::trainer
