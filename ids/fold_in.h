#pragma once

#include <cstdint>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/ials.h"
#include "ids/interactions.h"

namespace tutti::ids {

// Gives vectors to new tracks beside those that tracks have: each playlist's vector is solved from
// the known tracks it holds, then each new track's from the playlists that hold it, both exactly
// (one half epoch each, with the options that the known vectors were trained with). Known vectors
// keep their bytes. `known` [num_tracks]; `tracks` [num_tracks, dim] in and out, whole on every
// rank; a new track in no playlist becomes zero. The same bytes at any world size and thread count.
// Collective.
void fold_in_tracks(const Interactions& interactions, const std::vector<uint8_t>& known,
                    const IalsOptions& options, std::vector<float>* tracks, Communicator& comm,
                    ThreadPool& pool);

}  // namespace tutti::ids
