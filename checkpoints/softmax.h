#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace tutti::checkpoints {

// Over which tokens the probabilities of a position sum to one, in training and therefore in
// decoding.
enum class Softmax {
  kLevel,  // the rows of the position's level; at the last one, which only tells tracks on one
           // code apart, the children that exist
  kTrie,   // the children that exist below the node
  kIds,    // all ID rows
  kFull,   // text and ID rows: what an engine that cannot constrain computes
};

constexpr const char* kSoftmaxNames = "level, trie, ids or full";
const char* name_of(Softmax softmax);
// UsageError naming the option when there is no such softmax.
Softmax softmax_from_name(const std::string& name);

// Whether probabilities of the level `is_last` are taken over the children that exist. Then a
// single child follows with certainty.
inline bool is_over_children(Softmax softmax, bool is_last) {
  return softmax == Softmax::kTrie || (softmax == Softmax::kLevel && is_last);
}

// The softmax that a checkpoint's state.json says it was trained with. DataError naming the file
// for none, or an unknown one.
Softmax softmax_of(const nlohmann::json& state, const std::filesystem::path& checkpoint);

}  // namespace tutti::checkpoints
