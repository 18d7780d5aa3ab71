#include "trainer/evaluate/validator.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "data/dataset_writer.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::trainer {
namespace {

// The same ten tracks for every title.
class SameTen : public Ranker {
 public:
  std::string name() const override { return "same"; }
  std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                int k) override {
    std::vector<Recommendation> list;
    list.reserve(k);
    for (int32_t track = 0; track < k; ++track) list.push_back({.track = track, .score = 0});
    return std::vector<std::vector<Recommendation>>(titles.size(), list);
  }
};

data::Dataset write_dataset(const std::filesystem::path& path, const data::SplitOptions& split) {
  data::DatasetOptions options;
  options.split = split;
  data::DatasetWriter writer(path, options, {}, /*overwrite=*/false);
  for (int64_t t = 0; t < 60; ++t) {
    const std::string key = "t" + std::to_string(t);
    data::TrackRow row;
    row.key = key;
    writer.add_track(row);
  }
  for (int64_t p = 0; p < 200; ++p) {
    Rng rng(3, Purpose::kTest, p);
    std::vector<int32_t> tracks;
    for (int64_t t = 0; t < 15; ++t) tracks.push_back(static_cast<int32_t>(rng.below(60)));
    writer.add_playlist("p" + std::to_string(p), "mood " + std::to_string(p % 20), tracks);
  }
  writer.finish();
  return data::Dataset::open(path);
}

TEST(Validator, AveragesHitsOverTheValidationPlaylistsOnAnyNumberOfRanks) {
  const TempFolder folder;
  const data::Dataset dataset =
      write_dataset(folder / "data", {.unseen_titles = 0.2, .held_out = 0.2});
  const data::PlaylistBlock all = dataset.read(0, dataset.num_playlists());
  double hits = 0;
  int64_t queries = 0;
  for (int64_t p = 0; p < all.size(); ++p) {
    if (all.parts[p] != data::Part::kValidation) continue;
    ++queries;
    for (const int32_t track : all.tracks_of(p)) hits += track < 10 ? 1 : 0;
  }
  ASSERT_GT(queries, 10);
  const Validator validator(dataset, /*max_queries=*/1000);
  run_ranks(2, [&](Communicator& comm) {
    SameTen ranker;
    const Validation validation = validator.run(ranker, comm);
    EXPECT_EQ(validation.num_queries, queries);
    EXPECT_NEAR(validation.hits, hits / static_cast<double>(queries), 1e-12);
  });
}

TEST(Validator, RefusesADatasetWithoutValidationPlaylists) {
  const TempFolder folder;
  const data::Dataset dataset = write_dataset(folder / "data", {.unseen_titles = 0, .held_out = 0});
  EXPECT_NE(message_of<DataError>([&] {
              const Validator unused(dataset, 10);
            }).find("no validation playlist"),
            std::string::npos);
}

}  // namespace
}  // namespace tutti::trainer
