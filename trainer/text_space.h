#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "ids/embeddings.h"
#include "trainer/baselines/bi_encoder.h"

namespace tutti::trainer {

// Tracks as vectors of text. A track's vector is the mean of the vectors of the titles of the
// training playlists that hold it, each title as often as such playlists are; a track that none
// holds has the vector of its tags and names, and one without these the mean of its album, its
// artist or all tracks, whichever is known. Vectors of titles are those of a sentence encoder, of
// length 1; means are not scaled. Held-out playlists are not looked at.

// The texts to encode, each once.
struct SpaceTexts {
  std::vector<std::string> texts;     // titles as data/normalizer.h writes them, then metadata
  int64_t num_titles = 0;             // of training playlists
  std::vector<int32_t> metadata_row;  // [num_tracks] row of `texts` of a track in no training
                                      // playlist; -1: in some, or nothing is said of it
};
SpaceTexts texts_of_space(const data::Dataset& dataset);

// What is said of a track beside the playlists: the plain words of its tags, then its names.
std::string metadata_text(const data::Catalog& catalog, int64_t track);

struct TextSpace {
  ids::Embeddings embeddings;  // on rank 0; support: training playlists of the track
  int64_t num_titles = 0, num_metadata_texts = 0;  // encoded
  int64_t tracks_of_metadata = 0, tracks_of_means = 0;
  double encode_s = 0;
};

// The ranks share out the texts; rank 0 reads the playlists and makes the means. The same bytes at
// any world size. `progress`: texts that this rank has read since the last call. DataError when no
// training playlist holds a track. Collective.
TextSpace make_text_space(const data::Dataset& dataset, const BiEncoder& encoder,
                          Communicator& comm, const std::function<void(int64_t)>& progress = {});

// What the vectors depend on beside the dataset: weights and tokenizer. SHA-256.
std::string fingerprint(const BiEncoder& encoder);

}  // namespace tutti::trainer
