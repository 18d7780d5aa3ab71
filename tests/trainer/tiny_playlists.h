#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/normalizer.h"
#include "trainer/evaluate/playlist_blocks.h"

namespace tutti::trainer {

// Playlists in memory, in the form a dataset gives them.
class TinyPlaylists {
 public:
  void add(const std::string& title, std::vector<int32_t> tracks,
           data::Part part = data::Part::kTrain) {
    const auto raw = raw_.try_emplace(title, static_cast<int32_t>(raw_.size()));
    if (raw.second) {
      const std::string normalized = data::normalize_title(title);
      const auto row =
          normalized_.try_emplace(normalized, static_cast<int32_t>(normalized_.size()));
      if (row.second) {
        titles.normalized.push_back(normalized);
        titles.train_playlists_of.push_back(0);
      }
      titles.raw.push_back(title);
      titles.normalized_of.push_back(row.first->second);
    }
    const int32_t title_row = raw.first->second;
    if (part == data::Part::kTrain) ++titles.train_playlists_of[titles.normalized_of[title_row]];
    for (int32_t track : tracks) {
      if (track >= std::ssize(train_counts)) train_counts.resize(track + 1, 0);
      if (part == data::Part::kTrain) ++train_counts[track];
    }
    data::PlaylistBlock block;  // one playlist a block
    block.first = std::ssize(blocks_);
    block.offsets.push_back(std::ssize(tracks));
    block.tracks = std::move(tracks);
    block.titles.push_back(title_row);
    block.parts.push_back(part);
    blocks_.push_back(std::move(block));
  }

  BlockSource source() const {
    return [this](const BlockVisitor& visit) {
      for (const auto& block : blocks_) visit(block);
    };
  }
  int64_t num_tracks() const { return std::ssize(train_counts); }

  data::TitleTable titles;
  std::vector<int32_t> train_counts;  // [num_tracks]

 private:
  std::map<std::string, int32_t> raw_, normalized_;
  std::vector<data::PlaylistBlock> blocks_;
};

}  // namespace tutti::trainer
