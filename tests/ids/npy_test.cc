#include "ids/npy.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "ids/vector_file.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string little_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

// As numpy.save writes it (numpy 2.x, format 1.0): the header padded with blanks to 128 bytes.
std::string npy(const std::string& dictionary, const std::string& data = "", int major = 1) {
  const int length_bytes = major == 1 ? 2 : 4;
  std::string header = dictionary;
  header.resize(128 - 9 - length_bytes, ' ');
  header += '\n';
  return std::string("\x93NUMPY") + static_cast<char>(major) + '\0' +
         little_endian(header.size(), length_bytes) + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<float> all_rows(VectorFile& file) {
  std::vector<float> rows(file.num_rows() * file.dim());
  file.read_rows(0, file.num_rows(), rows.data());
  return rows;
}

TEST(Npy, ReadsFloat32AsNumpyWritesIt) {
  const TempFolder dir;
  // numpy.save("a.npy", numpy.array([[1, -2.5], [3, 0.5]], "<f4")), byte by byte (numpy 2.4.6).
  const std::string bytes =
      std::string("\x93NUMPY\x01\x00v\x00", 10) +
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }" + std::string(58, ' ') + "\n" +
      std::string("\x00\x00\x80\x3f\x00\x00\x20\xc0\x00\x00\x40\x40\x00\x00\x00\x3f", 16);
  auto file = open_npy_vectors(write_bytes(dir / "a.npy", bytes));
  EXPECT_EQ(file->num_rows(), 2);
  EXPECT_EQ(file->dim(), 2);
  EXPECT_THAT(all_rows(*file), ElementsAre(1, -2.5F, 3, 0.5F));
  float row[2];
  file->read_rows(1, 1, row);
  EXPECT_EQ(row[0], 3);
  EXPECT_FALSE(file->read_keys().has_value());
}

TEST(Npy, ReadsFloat64AndFloat16) {
  const TempFolder dir;
  const auto wide = bytes_of(std::vector<double>{1.5, -1e300});
  EXPECT_THAT(all_rows(*open_npy_vectors(
                  write_bytes(dir / "d.npy", npy(dictionary("<f8", "(1, 2)"), wide)))),
              ElementsAre(1.5F, -INFINITY));
  // 1, -2, 2^-24 (the smallest), 65504 (the largest), 1/3 rounded, -0.
  const auto half = bytes_of(std::vector<uint16_t>{0x3C00, 0xC000, 1, 0x7BFF, 0x3555, 0x8000});
  const auto rows = all_rows(
      *open_npy_vectors(write_bytes(dir / "h.npy", npy(dictionary("<f2", "(2, 3)"), half))));
  EXPECT_THAT(rows, ElementsAre(1, -2, 0x1p-24F, 65504, 0.333251953125F, 0));
  EXPECT_TRUE(std::signbit(rows[5]));
}

TEST(Float16, KeepsInfinityAndNan) {
  const uint16_t bits[] = {0x7C00, 0xFC00, 0x7E00};
  float values[3];
  to_float32(FloatType::kFloat16, reinterpret_cast<const std::byte*>(bits), 3, values);
  EXPECT_EQ(values[0], INFINITY);
  EXPECT_EQ(values[1], -INFINITY);
  EXPECT_TRUE(std::isnan(values[2]));
  const uint16_t brain[] = {0x3F80, 0xC020};
  to_float32(FloatType::kBFloat16, reinterpret_cast<const std::byte*>(brain), 2, values);
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[1], -2.5F);
}

TEST(Npy, ReadsVersionsTwoAndThreeAndKeysInAnyOrder) {
  const std::string text = "{\"shape\": (3,), 'fortran_order': False, 'descr': '|S4'}";
  for (const int major : {2, 3}) {
    const auto header = parse_npy_header(npy(text, "", major), "x.npy");
    EXPECT_EQ(header.descr, "|S4");
    EXPECT_THAT(header.shape, ElementsAre(3));
    EXPECT_EQ(header.data_offset, 128);
  }
}

TEST(Npy, ReadsKeys) {
  const TempFolder dir;
  const auto read = [&](const std::string& descr, const std::string& data) {
    const auto keys =
        read_npy_keys(write_bytes(dir / "k.npy", npy(dictionary(descr, "(3,)"), data)));
    std::vector<std::string> list;
    for (int64_t i = 0; i < keys.size(); ++i) list.emplace_back(keys[i]);
    return list;
  };
  EXPECT_THAT(read("|S3", std::string("a\0\0bcdef\0", 9)), ElementsAre("a", "bcd", "ef"));
  EXPECT_THAT(read("<U2", bytes_of(std::vector<uint32_t>{'a', 0, 0xE9, 0x1F600, 0, 0})),
              ElementsAre("a", "\xC3\xA9\xF0\x9F\x98\x80", ""));
  EXPECT_THAT(read("<i8", bytes_of(std::vector<int64_t>{7, -1, INT64_MAX})),
              ElementsAre("7", "-1", "9223372036854775807"));
  EXPECT_THAT(read("<i4", bytes_of(std::vector<int32_t>{7, -1, 3})), ElementsAre("7", "-1", "3"));
  EXPECT_THAT(read("<u8", bytes_of(std::vector<uint64_t>{7, UINT64_MAX, 3})),
              ElementsAre("7", "18446744073709551615", "3"));
}

TEST(Npy, RefusesWhatAStrictReaderRefuses) {
  const std::string good = dictionary("<f4", "(1, 2)");
  const std::string data(8, '\0');
  const auto replaced = [&](const std::string& what, const std::string& by) {
    std::string text = good;
    const size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
  };
  const struct {
    const char* name;
    std::string bytes, message;
  } cases[] = {
      {"empty file", "", "another first word"},
      {"another magic", "\x93NUMPX" + npy(good, data).substr(6), "another first word"},
      {"cut in the header", npy(good, data).substr(0, 60), "ends in its header"},
      {"cut in the length", npy(good, data).substr(0, 9), "ends in its header"},
      {"version 4", npy(good, data, 4), "format version 4.0"},
      {"version 0", npy(good, data, 0), "format version 0.0"},
      {"huge header", std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12) + data, "a header of"},
      {"no dictionary", npy("[1, 2]", data), "expected '{'"},
      {"unknown key", npy(replaced("'shape'", "'shapes'"), data), "key 'shapes'"},
      {"key twice", npy(replaced("'shape': (1, 2)", "'descr': '<f4'"), data), "'descr' twice"},
      {"missing key", npy("{'descr': '<f4', 'fortran_order': False, }", data), "incomplete"},
      {"no closing brace", npy(replaced(", }", ""), data), "expected ','"},
      {"open string", npy("{'descr", data), "a string without end"},
      {"escape", npy(replaced("<f4", "<f\\4"), data), "an escape"},
      {"order is a number", npy(replaced("False", "0"), data), "True or False"},
      {"fortran order", npy(replaced("False", "True"), data), "numpy.ascontiguousarray"},
      {"shape is a number", npy(replaced("(1, 2)", "2"), data), "expected '('"},
      {"shape without comma", npy(replaced("(1, 2)", "(2)"), data), "expected ','"},
      {"negative size", npy(replaced("(1, 2)", "(-1, 2)"), data), "a whole number"},
      {"size too large for 64 bits", npy(replaced("(1, 2)", "(99999999999999999999, 2)"), data),
       "a whole number"},
      {"product too large", npy(replaced("(1, 2)", "(4611686018427387904, 4)"), data),
       "an array that a file can hold"},
      {"behind the dictionary", npy(good + " x", data), "something behind the dictionary"},
      {"big-endian", npy(replaced("<f4", ">f4"), data), "newbyteorder"},
      {"native order", npy(replaced("<f4", "=f4"), data), "'=f4'"},
      {"complex", npy(replaced("<f4", "<c8"), data), "'<c8'"},
      {"object", npy(replaced("<f4", "|O"), data), "'|O'"},
      {"float of three bytes", npy(replaced("<f4", "<f3"), data), "'<f3'"},
      {"record", npy(replaced("'<f4'", "[('v', '<f4')]"), data), "a record array"},
      {"cut off", npy(good, data.substr(1)), "7 bytes behind the header, expected 8"},
      {"bytes behind it", npy(good, data + "x"), "9 bytes behind the header, expected 8"},
  };
  const TempFolder dir;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto path = write_bytes(dir / "x.npy", c.bytes);
    EXPECT_THAT(message_of<DataError>([&] { open_npy_vectors(path); }),
                testing::AllOf(HasSubstr("x.npy"), HasSubstr(c.message)));
  }
}

TEST(Npy, RefusesArraysOfAnotherKindThanAsked) {
  const TempFolder dir;
  const auto message = [&](const std::string& descr, const std::string& shape,
                           const std::string& data, bool keys) {
    const auto path = write_bytes(dir / "x.npy", npy(dictionary(descr, shape), data));
    return message_of<DataError>([&] {
      if (keys) {
        read_npy_keys(path);
      } else {
        open_npy_vectors(path);
      }
    });
  };
  EXPECT_THAT(message("<f4", "(2,)", std::string(8, 'x'), false), HasSubstr("two-dimensional"));
  EXPECT_THAT(message("<i4", "(1, 2)", std::string(8, 'x'), false), HasSubstr("two-dimensional"));
  EXPECT_THAT(message("<f4", "(0, 2)", "", false), HasSubstr("a matrix of 0 x 2"));
  EXPECT_THAT(message("<f4", "(2,)", std::string(8, 'x'), true), HasSubstr("one-dimensional"));
  EXPECT_THAT(message("<i4", "(1, 2)", std::string(8, 'x'), true), HasSubstr("one-dimensional"));
  EXPECT_THAT(message("<U1", "(2,)", std::string(8, 'x'), true), HasSubstr("row 0"));
  EXPECT_THAT(message_of<DataError>([&] { open_npy_vectors(dir / "nothere.npy"); }),
              HasSubstr("nothere.npy"));
  EXPECT_THAT(message_of<DataError>([&] { open_npy_vectors(dir.path()); }),
              HasSubstr("no readable file"));
}

TEST(KeyFile, IsAKeyALineOrANumpyArray) {
  const TempFolder dir;
  const auto text = read_key_file(write_bytes(dir / "keys.txt", "a b\r\nc\n\nd"));
  ASSERT_EQ(text.size(), 4);
  EXPECT_EQ(text[0], "a b");
  EXPECT_EQ(text[2], "");
  EXPECT_EQ(text[3], "d");
  const auto array =
      read_key_file(write_bytes(dir / "keys.npy", npy(dictionary("|S1", "(2,)"), "xy")));
  ASSERT_EQ(array.size(), 2);
  EXPECT_EQ(array[1], "y");
  EXPECT_THAT(message_of<DataError>([&] { read_key_file(dir / "nothere.txt"); }),
              HasSubstr("nothere.txt"));
}

}  // namespace
}  // namespace tutti::ids
