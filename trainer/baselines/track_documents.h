#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "trainer/baselines/bi_encoder.h"
#include "trainer/baselines/title_vote.h"

namespace tutti::trainer {

// Its name, its artist's and its album's, as far as they are known.
std::string names_of(const data::Catalog& catalog, int64_t track);

// What stands for a track before a bi-encoder.
enum class DocumentKind {
  kTitles,    // the titles of its training playlists
  kMetadata,  // its name, its artist's and its album's
  kBoth,
};

// A track has thousands of titles, or names, and a text encoder reads a few dozen words: so a
// document is not one long text, but the mean of the vectors of its titles, each as often as
// training playlists of that title hold the track; plus the vector of its names, where these count.
// Every distinct title is encoded once for the whole catalogue.
class TrackDocuments {
 public:
  // UsageError when names are asked for and the catalogue has none.
  TrackDocuments(const data::Dataset& dataset, DocumentKind kind);

  struct Part {
    int64_t text;  // for text_of()
    float weight;
  };
  using Document = std::vector<Part>;

  struct TrackTitle {
    int32_t title, playlists;  // row of index(); training playlists of it that hold the track
  };
  std::span<const TrackTitle> titles_of(int32_t track) const;
  bool has_titles() const { return kind_ != DocumentKind::kMetadata; }

  // The vector of the track, not scaled to a length: the mean over all its titles, plus its names.
  Document document_of(int32_t track) const;
  // The same with these titles alone (rows of index(), equal weights).
  Document document_of(int32_t track, std::span<const int32_t> titles) const;

  // A title (its row, normalised) or, behind them, the names of a track.
  const std::string& text_of(int64_t text) const { return texts_[text]; }

  const TitleIndex& index() const { return index_; }
  bool is_known(int32_t title,
                int32_t track) const;  // some training playlist of the title holds it

  // Sums the parts of every document: vectors of `texts` [T, D] -> [documents, D], with the graph.
  static at::Tensor sums(const std::vector<Document>& documents, const at::Tensor& vectors);

  // [num_tracks, D]: document_of() every track. Collective.
  at::Tensor vectors(const BiEncoder& encoder, Communicator& comm) const;

 private:
  DocumentKind kind_;
  TitleIndex index_;
  std::vector<std::string> texts_;
  std::vector<int64_t> offsets_{0};  // [num_tracks + 1]
  std::vector<TrackTitle> titles_;
};

}  // namespace tutti::trainer
