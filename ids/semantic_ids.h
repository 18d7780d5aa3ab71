#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/string_table.h"
#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/dictionary.h"
#include "ids/id_table.h"
#include "ids/residual_quantizer.h"
#include "ids/spill.h"
#include "ids/uniqueness.h"

namespace tutti::ids {

enum class QuantizerKind {
  kResidual,    // residual k-means
  kDictionary,  // atoms of a dictionary, the heaviest first
  kGiven,       // codebooks that came with the vectors: an RQ-VAE's
};
const char* name_of(QuantizerKind kind);                // "rq-kmeans", "dictionary", "rq-vae"
QuantizerKind quantizer_kind(const std::string& name);  // UsageError naming the choices

// Of an embeddings artefact whose vectors are latents of an RQ-VAE.
constexpr const char* kRqVaeCodebooks = "codebooks.h5";

struct SemanticIdOptions {
  QuantizerKind kind = QuantizerKind::kResidual;
  ResidualQuantizerOptions quantizer;  // of all kinds: see dictionary_of()
  Codebooks given;                     // of kGiven
  SpillOptions spill;
  std::string space = "cf";  // where the vectors come from
};

struct SemanticIds {
  IdTable table;  // on rank 0; empty elsewhere
  Codebooks codebooks;
  QuantizerStatistics quantizer;    // of the final codes, after the spill
  DictionaryStatistics dictionary;  // of kDictionary, in the stead of quantizer.training
  GroupReport groups;               // on rank 0
  SpillReport spill;                // on rank 0
  double train_s = 0, encode_s = 0, unique_s = 0;
};

// What rank 0 knows of the tracks: who comes first where several share a code.
struct TrackOrder {
  std::vector<int32_t> popularity;  // [num_tracks]
  data::StringTable keys;           // [num_tracks]
};

// The same for a dictionary: levels share its codes, two for each atom. UsageError when they are
// not as many on each level, an odd number, or more is asked for than a dictionary has: balance.
DictionaryOptions dictionary_of(const ResidualQuantizerOptions& options);

// Quantizes the tracks' vectors and makes the codes unique: one token a level, then a suffix. Every
// rank gives its rows; `split` [ranks + 1] says whose they are; `tracks` matter on rank 0 alone.
//
// Rank 0 decides on suffixes and spills: it takes 4 L bytes a track from the others and sorts them
// in linear time (seconds for ten million tracks, where the vectors take minutes to encode), so a
// partition over ranks would save nothing, and codes, keys and popularity of all tracks are held
// once, not on every rank. What needs vectors, the other paths of crowded tracks, is done by
// their owners.
//
// UsageError when the tokens do not fit 32 bits or the spill options make no sense (a dictionary
// has no other paths to go to); errors of train_kmeans.
SemanticIds build_semantic_ids(RowSource& rows, const std::vector<int64_t>& split,
                               const TrackOrder& tracks, const SemanticIdOptions& options,
                               Communicator& comm, ThreadPool& pool);

// Codes [num_tracks, L] and suffixes as an ID table with the codebook vectors of its tokens.
IdTable make_id_table(const std::vector<int32_t>& codes, const std::vector<int32_t>& suffixes,
                      const Codebooks& codebooks, const std::string& space);

}  // namespace tutti::ids
