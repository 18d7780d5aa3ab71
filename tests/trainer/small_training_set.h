#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/dataset_writer.h"
#include "data/tokenizer.h"
#include "tests/support/temp_folder.h"
#include "tests/trainer/small_world.h"
#include "trainer/training_data.h"

namespace tutti::trainer {

// 60 playlists of 5 to 24 tracks, all for training, whose first word says which
// tracks they hold, with IDs and a vocabulary. Titles repeat, also in other
// spellings.
class SmallTrainingSet {
 public:
  static constexpr int64_t kTracks = 300;
  static constexpr int64_t kPlaylists = 60;

  SmallTrainingSet()
      : dataset_(write(folder_ / "dataset")),
        tokenizer_(data::Tokenizer::from_bytes(
            train_title_vocabulary(dataset_, {.num_pieces = 320}), "test")) {}

  const data::Dataset& dataset() const { return dataset_; }
  data::Dataset open() const { return data::Dataset::open(folder_ / "dataset"); }
  const data::Tokenizer& tokenizer() const { return tokenizer_; }
  const ids::IdTable& table() const { return table_; }
  std::filesystem::path path_of(const std::string& name) const { return folder_ / name; }

 private:
  static data::Dataset write(const std::filesystem::path& path) {
    data::DatasetOptions options;
    options.split = {.unseen_titles = 0, .held_out = 0};
    data::DatasetWriter writer(path, options, {}, /*overwrite=*/false);
    for (int64_t t = 0; t < kTracks; ++t) {
      const std::string key = "t" + std::to_string(t);
      data::TrackRow row;
      row.key = key;
      writer.add_track(row);
    }
    const std::vector<std::string> words = {"rain", "piano", "rock", "night",
                                            "run",  "sad",   "happy"};
    for (int64_t p = 0; p < kPlaylists; ++p) {
      Rng rng(9, Purpose::kTest, p);
      std::vector<int32_t> tracks;
      const int64_t base = static_cast<int64_t>(p % std::ssize(words)) * 40;
      for (int64_t t = 0; t < 5 + p % 20; ++t)
        tracks.push_back(static_cast<int32_t>(base + rng.below(40)));
      writer.add_playlist("p" + std::to_string(p),
                          words[p % words.size()] + " " + words[rng.below(7)] + (p % 3 ? "" : "!"),
                          tracks);
    }
    writer.finish();
    return data::Dataset::open(path);
  }

  TempFolder folder_;
  data::Dataset dataset_;
  data::Tokenizer tokenizer_;
  ids::IdTable table_ = random_id_table(kTracks, 5, 3);
};

}  // namespace tutti::trainer
