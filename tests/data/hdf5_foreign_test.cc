#include "data/hdf5_foreign.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A file as h5py and others write it, through the plain C interface.
class Writer {
 public:
  explicit Writer(const std::filesystem::path& path) {
    Hdf5File::create(path).close();  // sets the library up
    file_ = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  }
  ~Writer() { H5Fclose(file_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void write(const char* name, hid_t file_type, hid_t memory_type, std::vector<hsize_t> shape,
             const void* values) const {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t dataset =
        H5Dcreate2(file_, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(dataset, 0);
    ASSERT_GE(H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
    H5Dclose(dataset);
    H5Sclose(space);
  }

 private:
  hid_t file_;
};

// numpy's float16, as h5py stores it.
hid_t make_float16() {
  const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

hid_t make_string(size_t size, H5T_str_t padding) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, size);
  if (size != H5T_VARIABLE) H5Tset_strpad(type, padding);
  return type;
}

std::vector<std::string> keys_in(const ForeignHdf5& file, const std::string& name) {
  const StringTable table = file.read_keys(name);
  std::vector<std::string> keys;
  for (int64_t i = 0; i < table.size(); ++i) keys.emplace_back(table[i]);
  return keys;
}

TEST(ForeignHdf5, ReadsFloatsOfAnyWidthAndByteOrder) {
  const TempFolder dir;
  const std::vector<double> values{1, -2.5, 0.25, 65504, 5, 6};
  {
    const Writer writer(dir / "x.h5");
    const hid_t half = make_float16();
    writer.write("half", half, H5T_NATIVE_DOUBLE, {3, 2}, values.data());
    writer.write("single", H5T_IEEE_F32BE, H5T_NATIVE_DOUBLE, {3, 2}, values.data());
    writer.write("double", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {3, 2}, values.data());
    H5Tclose(half);
  }
  const auto file = ForeignHdf5::open(dir / "x.h5");
  for (const char* name : {"half", "single", "double"}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(file.has(name));
    EXPECT_TRUE(file.is_float(name));
    EXPECT_THAT(file.shape(name), ElementsAre(3, 2));
    std::vector<float> rows(4);
    file.read_float_rows(name, 1, 2, rows.data());
    EXPECT_THAT(rows, ElementsAre(0.25F, 65504, 5, 6));
  }
  EXPECT_EQ(file.type_name("half"), "float16");
}

TEST(ForeignHdf5, MakesADoubleThatIsTooLargeInfinite) {
  const TempFolder dir;
  const double value = -1e300;
  Writer(dir / "x.h5").write("v", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {1, 1}, &value);
  float read = 0;
  ForeignHdf5::open(dir / "x.h5").read_float_rows("v", 0, 1, &read);
  EXPECT_EQ(read, -INFINITY);
}

TEST(ForeignHdf5, ReadsKeysOfAllKinds) {
  const TempFolder dir;
  {
    const Writer writer(dir / "x.h5");
    const hid_t variable = make_string(H5T_VARIABLE, H5T_STR_NULLTERM);
    const char* strings[] = {"a", "longer than that", ""};
    writer.write("variable", variable, variable, {3}, static_cast<const void*>(strings));
    const hid_t zeros = make_string(4, H5T_STR_NULLPAD), blanks = make_string(4, H5T_STR_SPACEPAD);
    writer.write("zeros", zeros, zeros, {3}, "a\0\0\0bcdee \0\0");
    writer.write("blanks", blanks, blanks, {3}, "a   bcdee f ");
    const std::vector<int64_t> numbers{7, -1, int64_t{1} << 40};
    writer.write("numbers", H5T_STD_I64BE, H5T_NATIVE_INT64, {3}, numbers.data());
    for (const hid_t type : {variable, zeros, blanks}) H5Tclose(type);
  }
  const auto file = ForeignHdf5::open(dir / "x.h5");
  EXPECT_THAT(keys_in(file, "variable"), ElementsAre("a", "longer than that", ""));
  EXPECT_THAT(keys_in(file, "zeros"), ElementsAre("a", "bcde", "e "));
  EXPECT_THAT(keys_in(file, "blanks"), ElementsAre("a", "bcde", "e f"));
  EXPECT_THAT(keys_in(file, "numbers"), ElementsAre("7", "-1", "1099511627776"));
}

TEST(ForeignHdf5, ReadsMoreKeysThanOneWindow) {
  const TempFolder dir;
  std::vector<int32_t> numbers(70000);
  std::iota(numbers.begin(), numbers.end(), 0);
  Writer(dir / "x.h5").write("n", H5T_STD_I32LE, H5T_NATIVE_INT32, {70000}, numbers.data());
  const auto keys = ForeignHdf5::open(dir / "x.h5").read_keys("n");
  ASSERT_EQ(keys.size(), 70000);
  EXPECT_EQ(keys[65536], "65536");
  EXPECT_EQ(keys[69999], "69999");
}

TEST(ForeignHdf5, SaysWhatAFileHoldsWhenTheNameIsWrong) {
  const TempFolder dir;
  const float value = 1;
  Writer(dir / "x.h5").write("embedding", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {1, 1}, &value);
  const auto file = ForeignHdf5::open(dir / "x.h5");
  EXPECT_FALSE(file.has("vectors"));
  EXPECT_THAT(
      message_of<DataError>([&] { (void)file.shape("vectors"); }),
      AllOf(HasSubstr("x.h5"), HasSubstr("no dataset 'vectors'"), HasSubstr("one of embedding")));
  EXPECT_THAT(message_of<DataError>([&] { (void)file.read_keys("embedding"); }),
              HasSubstr("found float32 [1, 1], expected a one-dimensional dataset"));
}

TEST(ForeignHdf5, RefusesAFileThatIsNoneOrCutOff) {
  const TempFolder dir;
  EXPECT_THAT(message_of<DataError>([&] { ForeignHdf5::open(dir / "nothere.h5"); }),
              HasSubstr("nothere.h5"));
  write_bytes(dir / "text.h5", "hello");
  EXPECT_THAT(message_of<DataError>([&] { ForeignHdf5::open(dir / "text.h5"); }),
              HasSubstr("not a readable HDF5 file"));
  const std::vector<float> values(1000);
  Writer(dir / "cut.h5").write("v", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {1000, 1}, values.data());
  std::filesystem::resize_file(dir / "cut.h5", 3000);
  EXPECT_THROW(ForeignHdf5::open(dir / "cut.h5"), DataError);
}

}  // namespace
}  // namespace tutti::data
