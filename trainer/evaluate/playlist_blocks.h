#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "data/dataset.h"

namespace tutti::trainer {

// Somewhere playlists come from, a block at a time: calls the visitor with every block, in order.
// May be called again.
using BlockVisitor = std::function<void(const data::PlaylistBlock&)>;
using BlockSource = std::function<void(const BlockVisitor&)>;

// `dataset` must outlive the source.
inline BlockSource blocks_of(const data::Dataset& dataset) {
  return [&dataset](const BlockVisitor& visit) {
    constexpr int64_t kPlaylistsAtOnce = 65536;
    for (int64_t first = 0; first < dataset.num_playlists(); first += kPlaylistsAtOnce) {
      visit(dataset.read(first, std::min(first + kPlaylistsAtOnce, dataset.num_playlists())));
    }
  };
}

}  // namespace tutti::trainer
