#include "data/hdf5.h"

#include <fcntl.h>
#include <sys/file.h>

#include <numeric>

#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

std::vector<int32_t> counting(int32_t n) {
  std::vector<int32_t> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

template <typename T>
std::span<const T> view(const std::vector<T>& values) {
  return values;
}

TEST(Hdf5File, GivesBackArraysStringsAndAttributes) {
  TempFolder folder;
  const std::vector<int32_t> ints = counting(200'000);  // several chunks
  const std::vector<float> matrix = {1, 2, 3, 4, 5, 6};
  const std::vector<double> doubles = {0.5};
  StringTable strings;
  strings.push_back("a");
  strings.push_back("");
  strings.push_back("日本");
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.write("group/ints", view(ints));
    file.write_matrix("matrix", view(matrix), 3);
    file.write("doubles", view(doubles));
    file.write("empty", std::span<const int64_t>());
    file.write_strings("strings", strings);
    file.set_attribute("rows", int64_t{-7});
    file.set_attribute("kind", std::string("codebook"));
    file.close();
  }
  const Hdf5File file = Hdf5File::open(folder / "x.h5");
  EXPECT_EQ(file.read<int32_t>("group/ints"), ints);
  EXPECT_EQ(file.read<float>("matrix"), matrix);
  EXPECT_EQ(file.shape("matrix"), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.read<double>("doubles"), doubles);
  EXPECT_TRUE(file.read<int64_t>("empty").empty());
  EXPECT_EQ(file.read_strings("strings").bytes, strings.bytes);
  EXPECT_EQ(file.read_strings("strings").offsets, strings.offsets);
  EXPECT_EQ(file.int64_attribute("rows"), -7);
  EXPECT_EQ(file.string_attribute("kind"), "codebook");
  EXPECT_TRUE(file.has("group/ints"));
  EXPECT_FALSE(file.has("group/other"));
  EXPECT_FALSE(file.has("none/ints"));
}

TEST(Hdf5File, ReadsRangesOfRows) {
  TempFolder folder;
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.write("ints", view(counting(100'000)));
    file.write_matrix("matrix", view(counting(12)), 4, Storage::kCompressed);
    file.close();
  }
  const Hdf5File file = Hdf5File::open(folder / "x.h5");
  std::vector<int32_t> part(5);
  file.read_rows("ints", 65'534, 5, part.data());
  EXPECT_EQ(part, (std::vector<int32_t>{65'534, 65'535, 65'536, 65'537, 65'538}));
  part.resize(8);
  file.read_rows("matrix", 1, 2, part.data());
  EXPECT_EQ(part, (std::vector<int32_t>{4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_THAT(message_of<DataError>([&] { file.read_rows("matrix", 2, 2, part.data()); }),
              HasSubstr("dataset 'matrix': found shape [3, 4], expected at least 4 rows"));
}

TEST(Hdf5File, AppendsRowsBlockByBlock) {
  TempFolder folder;
  const std::vector<int32_t> ints = counting(150'000);
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    for (size_t i = 0; i < ints.size(); i += 40'000) {
      file.append("ints", view(ints).subspan(i, std::min<size_t>(40'000, ints.size() - i)));
    }
    file.append<float>("matrix", std::vector<float>{1, 2, 3, 4}, 2, Storage::kRaw);
    file.append<float>("matrix", std::vector<float>{5, 6}, 2, Storage::kRaw);
    file.append<int64_t>("none", {});
    file.close();
  }
  const Hdf5File file = Hdf5File::open(folder / "x.h5");
  EXPECT_EQ(file.read<int32_t>("ints"), ints);
  EXPECT_EQ(file.shape("matrix"), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(file.read<float>("matrix"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(file.shape("none"), std::vector<int64_t>{0});
}

TEST(Hdf5File, IsTheSameBytesWhenWrittenAgain) {
  TempFolder folder;
  for (const char* name : {"a.h5", "b.h5"}) {
    Hdf5File file = Hdf5File::create(folder / name);
    file.write("group/ints", view(counting(100'000)));
    file.append("more", view(counting(70'000)));
    file.set_attribute("kind", std::string("x"));
    file.close();
    if (name[0] == 'a') usleep(1'100'000);  // a time stamp of seconds would differ
  }
  EXPECT_TRUE(read_bytes(folder / "a.h5") == read_bytes(folder / "b.h5"));
}

TEST(Hdf5File, NamesWhatCannotBeOpenedOrRead) {
  TempFolder folder;
  EXPECT_THAT(message_of<DataError>([&] { Hdf5File::open(folder / "none.h5"); }),
              HasSubstr("none.h5: found no such file"));
  write_bytes(folder / "text.h5", "this is text");
  EXPECT_THAT(message_of<DataError>([&] { Hdf5File::open(folder / "text.h5"); }),
              HasSubstr("text.h5: found not a readable HDF5 file"));
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.write("ints", view(counting(3)));
    file.set_attribute("kind", std::string("x"));
    file.close();
  }
  const Hdf5File file = Hdf5File::open(folder / "x.h5");
  EXPECT_THAT(message_of<DataError>([&] { file.read<int32_t>("tracks"); }),
              HasSubstr("dataset 'tracks'"));
  EXPECT_THAT(message_of<DataError>([&] { file.read<int64_t>("ints"); }),
              HasSubstr("dataset 'ints': found int32 elements, expected int64"));
  EXPECT_THAT(message_of<DataError>([&] { file.int64_attribute("rows"); }),
              HasSubstr("attribute 'rows'"));
  EXPECT_THAT(message_of<DataError>([&] { file.int64_attribute("kind"); }),
              HasSubstr("attribute 'kind'"));
}

TEST(Hdf5File, RefusesATruncatedFile) {
  TempFolder folder;
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.write("ints", view(counting(100'000)), Storage::kRaw);
    file.close();
  }
  std::filesystem::resize_file(folder / "x.h5", 300'000);
  EXPECT_THAT(message_of<DataError>([&] { Hdf5File::open(folder / "x.h5"); }),
              HasSubstr("truncated"));
}

TEST(Hdf5File, NoticesOneFlippedBit) {
  TempFolder folder;
  const std::string marked = "\x12\x34\x56\x78";
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.write("ints", view(std::vector<int32_t>{1, 0x78563412, 3}), Storage::kRaw);
    file.close();
  }
  flip_bit(folder / "x.h5", marked);
  const Hdf5File file = Hdf5File::open(folder / "x.h5");
  EXPECT_THAT(message_of<DataError>([&] { file.read<int32_t>("ints"); }),
              HasSubstr("dataset 'ints', rows 0 to 3: found damaged"));
}

TEST(Hdf5File, SaysWhatToDoAboutALockedFile) {
  TempFolder folder;
  {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.close();
  }
  const int other = ::open((folder / "x.h5").c_str(), O_RDWR);
  ASSERT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(message_of<DataError>([&] { Hdf5File::open(folder / "x.h5"); }),
              HasSubstr("HDF5_USE_FILE_LOCKING=FALSE"));
  ::close(other);
}

TEST(Hdf5File, ReportsAFullDiskAtTheLatestWhenClosed) {
  TempFolder folder;
  const std::vector<int32_t> ints = counting(500'000);
  const FullDisk disk(64 << 10);
  const std::string message = message_of<StorageError>([&] {
    Hdf5File file = Hdf5File::create(folder / "x.h5");
    file.write("ints", view(ints), Storage::kRaw);
    file.close();
  });
  EXPECT_THAT(message, HasSubstr("x.h5: dataset 'ints': found write failed: File too large"));
}

TEST(Hdf5File, ReportsWhereItCannotCreateAFile) {
  TempFolder folder;
  write_bytes(folder / "file", "");
  EXPECT_THAT(message_of<StorageError>([&] { Hdf5File::create(folder / "file/x.h5"); }),
              HasSubstr("Not a directory"));
}

TEST(CheckOffsets, RefusesWhatIsNoCsrArray) {
  EXPECT_NO_THROW(check_offsets({0, 2, 2, 5}, 5, "f", "o"));
  EXPECT_THAT(message_of<DataError>([] { check_offsets({}, 0, "f", "o"); }), HasSubstr("no rows"));
  EXPECT_THAT(message_of<DataError>([] {
                check_offsets({1, 2}, 2, "f", "o");
              }),
              HasSubstr("offsets that start at 0"));
  EXPECT_THAT(message_of<DataError>([] {
                check_offsets({0, 3, 2}, 2, "f", "o");
              }),
              HasSubstr("dataset 'o', row 2: found 2 after 3"));
  EXPECT_THAT(message_of<DataError>([] {
                check_offsets({0, 3}, 4, "f", "o");
              }),
              HasSubstr("found last offset 3, expected 4"));
}

}  // namespace
}  // namespace tutti::data
