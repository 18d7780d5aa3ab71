#include "ids/embeddings.h"

#include <gmock/gmock.h>

#include <cmath>

#include <gtest/gtest.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

Manifest dataset() {
  Manifest manifest;
  manifest.kind = "dataset";
  manifest.hash = std::string(64, 'd');
  return manifest;
}

Embeddings small_embeddings() {
  return {3, 2, {1, 2, 3, 4, 5, 6}, {4, 0, 1}};
}

// An embeddings folder whose HDF5 file holds what `fill` writes, with a manifest that fits.
template <typename Fill>
void write_by_hand(const std::filesystem::path& out, Fill&& fill) {
  ArtefactWriter writer(out, "embeddings");
  auto file = data::Hdf5File::create(writer.file("embeddings.h5"));
  fill(file);
  file.close();
  writer.commit({});
}

TEST(Embeddings, ComeBackFromTheirFolderAsTheyWere) {
  const TempFolder dir;
  write_embeddings(dir / "e", small_embeddings(), dataset(), {{"dim", 2}}, false);
  const auto loaded = read_embeddings(dir / "e");
  EXPECT_EQ(loaded.manifest.made_from.at("dataset"), dataset().hash);
  EXPECT_EQ(loaded.embeddings.num_rows, 3);
  EXPECT_EQ(loaded.embeddings.dim, 2);
  EXPECT_EQ(loaded.embeddings.values, small_embeddings().values);
  EXPECT_EQ(loaded.embeddings.support, small_embeddings().support);
}

TEST(Embeddings, RefuseANanNamingRowAndTrack) {
  const TempFolder dir;
  write_by_hand(dir / "e", [](data::Hdf5File& file) {
    const std::vector<float> values{1, 2, 3, std::nanf(""), 5, INFINITY};
    const std::vector<int32_t> support{1, 1, 1};
    file.write_matrix<float>("values", values, 2);
    file.write<int32_t>("support", support);
  });
  EXPECT_THAT(message_of<DataError>([&] { read_embeddings(dir / "e"); }), HasSubstr("row 1"));
  data::StringTable keys;
  for (const char* key : {"track:a", "track:b", "track:c"}) keys.push_back(key);
  EXPECT_THAT(message_of<DataError>([&] { read_embeddings(dir / "e", &keys); }),
              HasSubstr("row 1 (track track:b), column 1: found nan"));
}

TEST(Embeddings, AreNotWrittenWithANan) {
  const TempFolder dir;
  auto embeddings = small_embeddings();
  embeddings.values[5] = INFINITY;
  EXPECT_THAT(
      message_of<DataError>([&] { write_embeddings(dir / "e", embeddings, dataset(), {}, false); }),
      HasSubstr("row 2"));
  EXPECT_FALSE(std::filesystem::exists(dir / "e"));
}

TEST(Embeddings, RefuseOtherShapes) {
  const TempFolder dir;
  write_by_hand(dir / "a", [](data::Hdf5File& file) {
    file.write<float>("values", std::vector<float>{1, 2});
    file.write<int32_t>("support", std::vector<int32_t>{1, 1});
  });
  EXPECT_THAT(message_of<DataError>([&] { read_embeddings(dir / "a"); }),
              HasSubstr("'values': found shape [2]"));
  write_by_hand(dir / "b", [](data::Hdf5File& file) {
    file.write_matrix<float>("values", std::vector<float>{1, 2}, 1);
    file.write<int32_t>("support", std::vector<int32_t>{1});
  });
  EXPECT_THAT(message_of<DataError>([&] { read_embeddings(dir / "b"); }),
              HasSubstr("'support': found shape [1]"));
}

TEST(Embeddings, AreWrittenAndReadInPieces) {
  const TempFolder dir;
  EmbeddingsWriter writer(dir / "e", 2, false);
  writer.append(std::vector<float>{1, 2, 3, 4}, std::vector<int32_t>{4, 0});
  EXPECT_FALSE(std::filesystem::exists(dir / "e"));
  writer.append(std::vector<float>{5, 6}, std::vector<int32_t>{1});
  const auto manifest = writer.finish(dataset(), {{"dim", 2}});
  EXPECT_EQ(manifest.counts.at("rows"), 3);
  const auto file = EmbeddingsFile::open(dir / "e");
  EXPECT_EQ(file.num_rows(), 3);
  EXPECT_EQ(file.dim(), 2);
  EXPECT_EQ(file.read_support(), small_embeddings().support);
  std::vector<float> rows(4);
  file.read_rows(1, 2, rows.data());
  EXPECT_EQ(rows, (std::vector<float>{3, 4, 5, 6}));
  EXPECT_THAT(message_of<DataError>([&] { file.read_rows(2, 2, rows.data()); }),
              HasSubstr("at least 4 rows"));
}

TEST(Embeddings, NameARowOfALaterPieceByItsPlaceInTheFile) {
  const TempFolder dir;
  write_by_hand(dir / "e", [](data::Hdf5File& file) {
    const std::vector<float> values{1, 2, 3, 4, 5, INFINITY};
    file.write_matrix<float>("values", values, 2);
    file.write<int32_t>("support", std::vector<int32_t>{1, 1, 1});
  });
  const auto file = EmbeddingsFile::open(dir / "e");
  std::vector<float> rows(4);
  file.read_rows(0, 2, rows.data());
  EXPECT_THAT(message_of<DataError>([&] { file.read_rows(1, 2, rows.data()); }),
              HasSubstr("row 2, column 1: found inf"));
}

TEST(Embeddings, LeaveNothingWhenTheyAreNotFinished) {
  const TempFolder dir;
  {
    EmbeddingsWriter writer(dir / "e", 2, false);
    writer.append(std::vector<float>{1, 2}, std::vector<int32_t>{4});
  }
  EXPECT_TRUE(dir.is_empty());
}

}  // namespace
}  // namespace tutti::ids
