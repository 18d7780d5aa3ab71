#include "trainer/text_space.h"

#include <cmath>
#include <map>
#include <string>

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "data/dataset_writer.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_encoder.h"

namespace tutti::trainer {
namespace {

// 30 tracks of six artists; no playlist holds one from track 20 on.
class TextSpaceTest : public testing::Test {
 protected:
  static constexpr int64_t kTracks = 30, kHeld = 20;

  TextSpaceTest() { at::set_num_threads(1); }

  data::Dataset write(double held_out, int64_t num_playlists = 40) const {
    const auto path = folder_ / ("dataset" + std::to_string(held_out + num_playlists));
    data::DatasetOptions options;
    options.split = {.unseen_titles = 0, .held_out = held_out};
    data::DatasetWriter writer(path, options, {}, /*overwrite=*/true);
    const std::vector<std::string_view> tags = {"genre:rock", "mood/theme:sad"};
    for (int64_t t = 0; t < kTracks; ++t) {
      const std::string key = "t" + std::to_string(t), artist = "artist " + std::to_string(t / 5);
      data::TrackRow row;
      row.key = key;
      if (t < 25) row.artist_key = artist;
      if (t == 20 || t == 21) row.tags = tags;
      if (t == 22) row.name = "night song";
      writer.add_track(row);
    }
    const std::vector<std::string> words = {"rain", "piano", "rock", "night", "run"};
    for (int64_t p = 0; p < num_playlists; ++p) {
      std::vector<int32_t> tracks;
      for (int64_t t = 0; t < 6; ++t) tracks.push_back(static_cast<int32_t>((p * 3 + t * t) % 20));
      writer.add_playlist("p" + std::to_string(p),
                          words[p % 5] + " " + words[p % 3] + (p % 2 == 0 ? "!" : ""), tracks);
    }
    writer.finish();
    return data::Dataset::open(path);
  }

  static std::vector<double> vector_of(const BiEncoder& encoder, const std::string& text) {
    const c10::NoGradGuard no_grad;
    const at::Tensor vector = encoder.encode({&text, 1}).to(at::kDouble).contiguous();
    return {vector.const_data_ptr<double>(), vector.const_data_ptr<double>() + vector.numel()};
  }

  TempFolder folder_;
  BiEncoder encoder_ = small_encoder(TUTTI_BERT_TOKENIZER);
  std::unique_ptr<Communicator> alone_ = make_single_communicator();
};

TEST_F(TextSpaceTest, IsTheMeanOverTrainingPlaylistsOfTheirTitlesVectors) {
  const data::Dataset dataset = write(/*held_out=*/0.3);
  ASSERT_GT(std::ssize(dataset.playlists_in(data::Part::kTest)), 0);
  const TextSpace space = make_text_space(dataset, encoder_, *alone_);
  const int64_t dim = encoder_.width();
  ASSERT_EQ(space.embeddings.dim, dim);
  ASSERT_EQ(space.embeddings.num_rows, kTracks);

  std::vector<std::vector<double>> sums(kTracks, std::vector<double>(dim));
  std::vector<int32_t> counts(kTracks);
  std::map<std::string, int> titles;
  const data::PlaylistBlock block = dataset.read(0, dataset.num_playlists());
  const data::TitleTable& table = dataset.titles();
  for (int64_t p = 0; p < block.size(); ++p) {
    if (block.parts[p] != data::Part::kTrain) continue;
    const std::string title(table.normalized[table.normalized_of[block.titles[p]]]);
    ++titles[title];
    const std::vector<double> vector = vector_of(encoder_, title);
    for (const int32_t track : block.tracks_of(p)) {
      ++counts[track];
      for (int64_t d = 0; d < dim; ++d) sums[track][d] += vector[d];
    }
  }
  EXPECT_EQ(space.num_titles, std::ssize(titles));
  EXPECT_EQ(space.embeddings.support, counts);
  for (int64_t t = 0; t < kHeld; ++t) {
    ASSERT_GT(counts[t], 0);
    for (int64_t d = 0; d < dim; ++d) {
      EXPECT_NEAR(space.embeddings.row(t)[d], sums[t][d] / counts[t], 1e-5) << t;
    }
  }
}

TEST_F(TextSpaceTest, GivesTracksInNoTrainingPlaylistTheirTagsAndNamesOrTheMeanOfTheirArtist) {
  const data::Dataset dataset = write(/*held_out=*/0);
  const TextSpace space = make_text_space(dataset, encoder_, *alone_);
  EXPECT_EQ(space.tracks_of_metadata, 3);
  EXPECT_EQ(space.num_metadata_texts, 2) << "equal texts are encoded once";
  EXPECT_EQ(space.tracks_of_means, kTracks - kHeld - 3);
  const auto expect_text = [&](int64_t track, const std::string& text) {
    const std::vector<double> expected = vector_of(encoder_, text);
    for (int64_t d = 0; d < encoder_.width(); ++d) {
      EXPECT_NEAR(space.embeddings.row(track)[d], expected[d], 1e-5) << track;
    }
  };
  expect_text(20, "rock sad");
  expect_text(21, "rock sad");
  expect_text(22, "night song");
  // Artist 4 and those without one have no track in a playlist: the mean of all entries.
  std::vector<double> mean(encoder_.width());
  double entries = 0;
  for (int64_t t = 0; t < kHeld; ++t) {
    const double n = space.embeddings.support[t];
    entries += n;
    for (int64_t d = 0; d < encoder_.width(); ++d) mean[d] += n * space.embeddings.row(t)[d];
  }
  for (const int64_t t : {23, 24, 25, 29}) {
    EXPECT_EQ(space.embeddings.support[t], 0);
    for (int64_t d = 0; d < encoder_.width(); ++d) {
      EXPECT_NEAR(space.embeddings.row(t)[d], mean[d] / entries, 1e-5);
    }
  }
}

TEST_F(TextSpaceTest, IsTheSameBytesOnAnyNumberOfRanks) {
  const data::Dataset dataset = write(/*held_out=*/0.2, /*num_playlists=*/400);
  const TextSpace expected = make_text_space(dataset, encoder_, *alone_);
  for (const int ranks : {2, 3}) {
    std::vector<TextSpace> found(ranks);
    std::vector<int64_t> texts(ranks);
    run_ranks(ranks, [&](Communicator& comm) {
      at::set_num_threads(1);
      const BiEncoder encoder = small_encoder(TUTTI_BERT_TOKENIZER);
      const data::Dataset own = data::Dataset::open(dataset.path());
      found[comm.rank()] =
          make_text_space(own, encoder, comm, [&](int64_t read) { texts[comm.rank()] += read; });
    });
    EXPECT_EQ(found[0].embeddings.values, expected.embeddings.values) << ranks;
    EXPECT_TRUE(found[1].embeddings.values.empty());
    int64_t all = 0;
    for (const int64_t own : texts) all += own;
    EXPECT_EQ(all, expected.num_titles + expected.num_metadata_texts) << "each text is read once";
  }
}

TEST_F(TextSpaceTest, NamesTheEncoderByItsWeights) {
  BiEncoder other = small_encoder(TUTTI_BERT_TOKENIZER);
  EXPECT_EQ(fingerprint(other), fingerprint(encoder_));
  other.store().all().back().value.data_ptr<float>()[0] += 1;
  EXPECT_NE(fingerprint(other), fingerprint(encoder_));
}

TEST_F(TextSpaceTest, RefusesADatasetWithoutTrainingPlaylists) {
  EXPECT_THROW(make_text_space(write(/*held_out=*/1), encoder_, *alone_), DataError);
}

}  // namespace
}  // namespace tutti::trainer
