#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/communicator.h"
#include "trainer/baselines/bi_encoder.h"
#include "trainer/baselines/popularity.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// A bi-encoder with the vectors of a catalogue, as bi_encoder_files.h reads them.
struct EncodedCatalog {
  std::string name;  // "bi-encoder zero-shot"
  BiEncoder encoder;
  at::Tensor tracks;  // [num_tracks, width], TrackDocuments::vectors()
};

// Ranks tracks by the inner product of the title's vector and the track's, times n / (n +
// shrinkage) for a track in n training playlists: a mean over few titles says little. Without it
// one-playlist tracks of a similar title would fill every list; a large one counts popularity in.
// Exact search.
class BiEncoderRanker : public Ranker {
 public:
  // All outlive the ranker. Vectors of titles are kept, so that rankers that share `cache` encode a
  // title once.
  using Cache = std::unordered_map<std::string, std::vector<float>>;
  BiEncoderRanker(const EncodedCatalog& catalog, const PopularityRanker& popularity,
                  double shrinkage, std::shared_ptr<Cache> cache);

  std::string name() const override;
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override;

 private:
  const EncodedCatalog& catalog_;
  double shrinkage_;
  std::vector<float> scale_;  // [num_tracks]
  std::shared_ptr<Cache> cache_;
};

// The shrinkage with the most hits@k on validation queries, as in tune.h. Collective.
std::unique_ptr<BiEncoderRanker> tuned_bi_encoder(const EncodedCatalog& catalog,
                                                  const PopularityRanker& popularity,
                                                  const std::vector<QuerySet>& validation, int k,
                                                  Communicator& comm);

}  // namespace tutti::trainer
