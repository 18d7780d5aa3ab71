#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "launch/evaluate/asked_sets.h"
#include "launch/trained_system.h"
#include "trainer/evaluate/ranker.h"

// What only a model that writes IDs has to say in a result.
namespace tutti::launch {

// The trie-normalised cross-entropy of the sets of playlists, by their names: comparable between
// softmaxes, which decoding scores are not. A line of each goes to `notes`. Collective.
nlohmann::json nats_of(const TrainedSystem& trained, const std::vector<AskedSet>& sets,
                       Communicator& comm, std::vector<std::string>* notes);

// How the IDs of its lists differ ("ids") and how long one title takes ("latency"), as fields of
// the document and as lines. `lists`: tracks, best first; `ranker` is asked again, on this rank.
void describe_model(const TrainedSystem& trained, trainer::Ranker& ranker,
                    const std::vector<std::vector<int32_t>>& lists,
                    const std::vector<AskedSet>& sets, int k, nlohmann::json* document,
                    std::vector<std::string>* notes);

}  // namespace tutti::launch
