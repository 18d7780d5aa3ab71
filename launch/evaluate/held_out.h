#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "dist/runtime/artefact.h"

// Whether vectors may have seen held-out playlists. What tutti computes reads the training split
// alone, and the hash of a dataset covers its split, so that a look at hashes tells. Vectors that
// were imported carry what their owner said of them: no program can check it.
namespace tutti::launch {

// The key of a manifest's config, and its values; absent: computed here.
constexpr const char* kHeldOut = "held-out";
constexpr const char* kHeldOutUnknown = "unknown";  // imported, nothing was said
constexpr const char* kHeldOutUnseen = "unseen";    // imported, declared not to know them

// What is made of vectors may know what they know; once unknown stays unknown.
void carry_held_out(const Manifest& vectors, nlohmann::json* config);

// DataError when nothing was said of the imported vectors that `artefact` is or was made of, unless
// that is allowed. Returns a line for the heading of a result; empty when all was computed here.
std::string held_out_note(const std::string& path, const Manifest& artefact, bool allow_unknown);

}  // namespace tutti::launch
