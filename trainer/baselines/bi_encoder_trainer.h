#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "dist/runtime/rng.h"
#include "trainer/baselines/bi_encoder.h"
#include "trainer/baselines/track_documents.h"

namespace tutti::trainer {

struct BiEncoderOptions {
  int64_t steps = 200;
  int64_t batch = 64;               // pairs a step, over all ranks
  int64_t titles_per_document = 4;  // drawn for each track and step
  int64_t hard_negatives = 0;       // a pair: near tracks of the starting model that are wrong
  double learning_rate = 2e-5;  // peak: linear warm-up over a tenth of the steps, then linear fall
  double weight_decay = 0.01, clip_norm = 1;
  double scale = 20;  // of cosines, before the softmax (temperature 0.05)
  uint64_t seed = 1;
  double request_share = 0;  // as TrainingDataOptions
  std::vector<std::string> requests = {};
};

// The training playlists of a dataset.
struct TitledPlaylists {
  std::vector<int32_t> title_of;     // of each, its row of the title index
  std::vector<int64_t> playlist_of;  // its number in the dataset
};
TitledPlaylists titled_playlists(const data::Dataset& dataset);  // DataError when there is none

// InfoNCE: of every anchor, the cross-entropy of its own candidate among all that are not masked.
struct ContrastiveLoss {
  double loss = 0;            // sum over the anchors / num_pairs
  at::Tensor anchor_grad;     // [A, D]
  at::Tensor candidate_grad;  // [C, D]
};
// anchors [A, D], candidates [C, D]; target[i]: the candidate of anchor i; masked[i * C + j]: j is
// no negative of i.
ContrastiveLoss contrastive_loss(const at::Tensor& anchors, const at::Tensor& candidates,
                                 const std::vector<int64_t>& target,
                                 const std::vector<bool>& masked, double scale, int64_t num_pairs);

// Fine-tunes a bi-encoder on the pairs (title, track) of the training playlists, after
// sentence-transformers' MultipleNegativesRankingLoss: the other tracks of the step are the
// negatives, those of other ranks too, and the gradient goes through that exchange, so that N ranks
// make the step that one makes of all pairs. A step holds a title once. A track that some training
// playlist of the anchor's title holds is no negative of it. The positive's document leaves the
// anchor's own title out, so that it cannot be recognised by it.
class BiEncoderTrainer {
 public:
  // All outlive the object. Collective, as step(). The encoder is equal on all ranks.
  BiEncoderTrainer(BiEncoder& encoder, const TitledPlaylists& playlists,
                   const TrackDocuments& documents, const BiEncoderOptions& options,
                   Communicator& comm);

  struct Pair {
    int32_t title = 0, track = 0;
    std::string anchor;                 // the title, or a request for it
    TrackDocuments::Document document;  // of the track
  };
  // The pairs of a step, each title once; the same on every rank.
  std::vector<Pair> pairs_of(int64_t step) const;

  // Leaves the gradient of the step's mean loss, summed over ranks; returns that loss. DataError on
  // every rank when the step has no pair.
  double gradients(int64_t step);
  double step(int64_t step);  // gradients, and the update

  // AdamW's, as the encoder's flat values; who writes into them and into the weights what they were
  // behind a step goes on from there. (Hard negatives are the base's, found by the constructor.)
  std::pair<at::Tensor, at::Tensor> moments() const { return {moment1_, moment2_}; }

 private:
  struct Candidate {
    int32_t track = 0;
    TrackDocuments::Document document;
  };
  // Wrong tracks that the starting model puts near the titles of these pairs.
  std::vector<Candidate> hard_negatives(std::span<const Pair> pairs, int64_t step) const;
  // Titles of the track but one, each drawn as often as playlists of it hold the track.
  std::vector<int32_t> drawn_titles(int32_t track, int32_t without, Rng& rng) const;
  // Finds the pair a track whose document does not rest on the pair's title alone; false: none.
  bool draw_track(Pair& pair, Rng& rng) const;

  BiEncoder& encoder_;
  const TrackDocuments& documents_;
  const BiEncoderOptions options_;
  Communicator& comm_;
  const TitledPlaylists& playlists_;
  at::Tensor start_titles_, start_tracks_;  // unit vectors of the starting model, where mined
  at::Tensor moment1_, moment2_;
};

}  // namespace tutti::trainer
