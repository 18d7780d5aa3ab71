#include "checkpoints/safetensors.h"

#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::HasSubstr;

std::string length_bytes(uint64_t length) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i));
  return bytes;
}

std::string file_of(const std::string& header, const std::string& data) {
  return length_bytes(header.size()) + header + data;
}

// The message that refuses these bytes.
std::string refusal_of(const std::string& bytes) {
  const TempFolder folder;
  write_bytes(folder / "x.safetensors", bytes);
  std::string message =
      message_of<DataError>([&] { SafetensorsFile::open(folder / "x.safetensors"); });
  EXPECT_THAT(message, HasSubstr("x.safetensors"));
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  return message;
}

std::string refusal_of_entry(const std::string& entry, size_t data_bytes = 4) {
  return refusal_of(file_of("{\"a\":" + entry + "}", std::string(data_bytes, '\0')));
}

// Written by hand from the specification: one F32 [2] with 1.0 and -2.0, header padded to 48.
const std::string kGolden = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )",
                                    std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8));

TEST(Safetensors, ReadsAFileWrittenByHand) {
  const TempFolder folder;
  write_bytes(folder / "golden.safetensors", kGolden);
  const SafetensorsFile file = SafetensorsFile::open(folder / "golden.safetensors");
  ASSERT_EQ(file.tensors().size(), 1U);
  const NamedTensor& tensor = file.require("a", TensorType::kF32, std::array<int64_t, 1>{2});
  const auto* values = static_cast<const float*>(tensor.data);
  EXPECT_EQ(values[0], 1.0F);
  EXPECT_EQ(values[1], -2.0F);
  EXPECT_TRUE(file.metadata().empty());
}

TEST(Safetensors, WritesTheBytesWrittenByHand) {
  const TempFolder folder;
  const std::array<float, 2> values{1.0F, -2.0F};
  write_safetensors(folder / "x", {{"a", TensorType::kF32, {2}, values.data()}}, {});
  EXPECT_EQ(read_bytes(folder / "x"), kGolden);
}

TEST(Safetensors, GivesBackEveryTypeAndShapeAndTheMetadata) {
  const TempFolder folder;
  const std::vector<unsigned char> bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                         1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                         1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const std::vector<NamedTensor> tensors{
      {"bool", TensorType::kBool, {2, 3}, bytes.data()},
      {"u8", TensorType::kU8, {5}, bytes.data()},
      {"i8", TensorType::kI8, {}, bytes.data()},
      {"i16", TensorType::kI16, {3}, bytes.data()},
      {"f16", TensorType::kF16, {1, 3}, bytes.data()},
      {"bf16", TensorType::kBF16, {3, 1}, bytes.data()},
      {"i32", TensorType::kI32, {2, 2, 2}, bytes.data()},
      {"f32 \"quoted\" \xc3\xa9", TensorType::kF32, {4}, bytes.data()},
      {"f64", TensorType::kF64, {2, 3}, bytes.data()},
      {"i64", TensorType::kI64, {6}, bytes.data()},
      {"empty", TensorType::kF32, {4, 0}, nullptr},
  };
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"k\n", "v\t"}};
  write_safetensors(folder / "x", tensors, metadata);

  const SafetensorsFile file = SafetensorsFile::open(folder / "x");
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.tensors().size(), tensors.size());
  for (const NamedTensor& written : tensors) {
    const NamedTensor& read = file.require(written.name, written.type, written.shape);
    EXPECT_EQ(std::memcmp(read.data, bytes.data(), static_cast<size_t>(written.num_bytes())), 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read.data) % static_cast<size_t>(size_of(read.type)), 0U);
  }
  EXPECT_EQ(file.tensors().front().name, "i64") << "the reference puts I64 before F64";

  write_safetensors(folder / "y", file.tensors(), file.metadata());
  EXPECT_EQ(read_bytes(folder / "x"), read_bytes(folder / "y"));
}

TEST(Safetensors, ReadsDataThatIsNotAligned) {
  const TempFolder folder;
  write_bytes(folder / "x", file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )",
                                    std::string("\x00\x00\x80\x3f", 4)));
  const SafetensorsFile file = SafetensorsFile::open(folder / "x");
  EXPECT_EQ(*static_cast<const float*>(file.find("a")->data), 1.0F);
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  const TempFolder folder;
  write_bytes(folder / "x", file_of("{}", ""));
  EXPECT_TRUE(SafetensorsFile::open(folder / "x").tensors().empty());
}

TEST(Safetensors, SaysWhatAMissingOrDifferentTensorIs) {
  const TempFolder folder;
  write_bytes(folder / "x", kGolden);
  const SafetensorsFile file = SafetensorsFile::open(folder / "x");
  EXPECT_EQ(file.find("b"), nullptr);
  const std::array<int64_t, 1> shape{3};
  EXPECT_THAT(message_of<DataError>([&] { file.require("b", TensorType::kF32, shape); }),
              HasSubstr("no such tensor"));
  const std::string message =
      message_of<DataError>([&] { file.require("a", TensorType::kF32, shape); });
  EXPECT_THAT(message, HasSubstr("F32 [2]"));
  EXPECT_THAT(message, HasSubstr("F32 [3]"));
}

TEST(Safetensors, RefusesAMissingFileAFolderAndAnEmptyFile) {
  const TempFolder folder;
  EXPECT_THAT(message_of<DataError>([&] { SafetensorsFile::open(folder / "none"); }),
              HasSubstr("No such file"));
  EXPECT_THAT(message_of<DataError>([&] { SafetensorsFile::open(folder.path()); }),
              HasSubstr("cannot read"));
  EXPECT_THAT(refusal_of(""), HasSubstr("0 bytes"));
}

// The reference's own list of rejections (tests at the end of tensor.rs).
TEST(Safetensors, RefusesAHeaderThatIsTooSmall) {
  EXPECT_THAT(refusal_of("\x01\x02\x03"), HasSubstr("at least 8"));
  EXPECT_THAT(refusal_of(file_of("", "")), HasSubstr("a JSON object"));
}

TEST(Safetensors, RefusesAHeaderThatIsTooLarge) {
  EXPECT_THAT(refusal_of(length_bytes(100'000'001) + "{}"), HasSubstr("at most 100000000"));
  EXPECT_THAT(refusal_of(std::string(8, '\xff')), HasSubstr("18446744073709551615"));
}

TEST(Safetensors, RefusesALengthBeyondTheFile) {
  EXPECT_THAT(refusal_of(length_bytes(60) + "{}"), HasSubstr("at most the 2 bytes"));
}

TEST(Safetensors, RefusesAHeaderThatIsNotUtf8) {
  EXPECT_THAT(refusal_of(file_of("{\"\xff\":1}", "")), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal_of(file_of("\xff", "")), HasSubstr("a JSON object"));
}

TEST(Safetensors, RefusesAHeaderThatIsNotJson) {
  EXPECT_THAT(refusal_of(file_of("{", "")), HasSubstr("a JSON object"));
  EXPECT_THAT(refusal_of(file_of("{\"a\"}", "")), HasSubstr("header byte"));
  EXPECT_THAT(refusal_of(file_of("[]", "")), HasSubstr("a JSON object"));
  EXPECT_THAT(refusal_of(file_of("{}{}", "")), HasSubstr("header byte"));
}

TEST(Safetensors, RefusesWhitespaceAroundTheHeaderExceptSpacesBehindIt) {
  EXPECT_THAT(refusal_of(file_of(" {}", "")), HasSubstr("no '{' first"));
  EXPECT_THAT(refusal_of(file_of("\xef\xbb\xbf{}", "")), HasSubstr("no '{' first"));
  EXPECT_THAT(refusal_of(file_of("{}\n", "")), HasSubstr("nothing but spaces"));
  EXPECT_THAT(refusal_of(file_of(std::string("{}\0", 3), "")), HasSubstr("nothing but spaces"));
}

TEST(Safetensors, RefusesDataThatIsIncomplete) {
  EXPECT_THAT(refusal_of(kGolden.substr(0, kGolden.size() - 1)), HasSubstr("truncated"));
}

TEST(Safetensors, RefusesBytesBehindTheLastTensor) {
  EXPECT_THAT(refusal_of(kGolden + "!"), HasSubstr("nothing may follow"));
  EXPECT_THAT(refusal_of(file_of("{}", "!")), HasSubstr("nothing may follow"));
}

TEST(Safetensors, RefusesASizeThatIsNotThatOfTheShape) {
  EXPECT_THAT(refusal_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"),
              HasSubstr("8 for F32 [2]"));
  EXPECT_THAT(refusal_of_entry(R"({"dtype":"F32","shape":[0],"data_offsets":[0,4]})"),
              HasSubstr("0 for F32 [0]"));
  EXPECT_THAT(refusal_of_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
              HasSubstr("begin <= end"));
}

TEST(Safetensors, RefusesAShapeThatOverflows) {
  EXPECT_THAT(
      refusal_of_entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})"),
      HasSubstr("below 2^63"));
  EXPECT_THAT(
      refusal_of_entry(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})"),
      HasSubstr("below 2^63"));
  EXPECT_THAT(refusal_of_entry(
                  R"({"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]})", 0),
              HasSubstr("below 2^63"));
}

TEST(Safetensors, RefusesHolesAndOverlaps) {
  const std::string a = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":)";
  EXPECT_THAT(
      refusal_of(file_of(a + R"({"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", "123456")),
      HasSubstr("overlaps"));
  EXPECT_THAT(
      refusal_of(file_of(a + R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "1234")),
      HasSubstr("overlaps"));
  EXPECT_THAT(
      refusal_of(file_of(a + R"({"dtype":"U8","shape":[4],"data_offsets":[5,9]}})", "123456789")),
      HasSubstr("holes"));
  EXPECT_THAT(refusal_of_entry(R"({"dtype":"U8","shape":[3],"data_offsets":[1,4]})"),
              HasSubstr("holes"));
}

TEST(Safetensors, RefusesANameThatComesTwice) {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(refusal_of(file_of("{\"a\":" + entry + ",\"a\":" + entry + "}", "")),
              HasSubstr("name 'a' twice"));
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":{"k":"1","k":"2"}})", "")),
              HasSubstr("name 'k' twice"));
  EXPECT_THAT(refusal_of_entry(R"({"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]})"),
              HasSubstr("name 'dtype' twice"));
}

TEST(Safetensors, RefusesAnEntryOfAnotherForm) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"1", "an object"},
      {"null", "an object"},
      {"[]", "an object"},
      {R"({"dtype":"F32","shape":[1]})", "an incomplete entry"},
      {R"({"dtype":"F99","shape":[1],"data_offsets":[0,4]})", "dtype 'F99'"},
      {R"({"dtype":32,"shape":[1],"data_offsets":[0,4]})", "a string"},
      {R"({"dtype":["F32"],"shape":[1],"data_offsets":[0,4]})", "a string"},
      {R"({"dtype":"F32","shape":"1","data_offsets":[0,4]})", "an array"},
      {R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", "whole numbers"},
      {R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", "whole numbers"},
      {R"({"dtype":"F32","shape":[true],"data_offsets":[0,4]})", "whole numbers"},
      {R"({"dtype":"F32","shape":[[1]],"data_offsets":[0,4]})", "whole numbers"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})", "3 data_offsets"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", "1 data_offsets"},
      {R"({"dtype":"F32","shape":{},"data_offsets":[0,4]})", "an array"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]})", "field 'strides'"},
      {R"({"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]})", "64-bit"},
  };
  for (const auto& [entry, expected] : cases) {
    const std::string message = refusal_of_entry(entry);
    EXPECT_THAT(message, HasSubstr(expected)) << entry;
    EXPECT_THAT(message, HasSubstr("entry 'a'")) << entry;
  }
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":{"k":1}})", "")),
              HasSubstr("strings to strings"));
  EXPECT_THAT(refusal_of(file_of("{\"a\":" + std::string(100'000, '[') + "}", "")),
              HasSubstr("an object"));
}

// Types of the format that nothing here computes with, among them those of less than a byte.
TEST(Safetensors, RefusesByNameTypesThatItDoesNotRead) {
  for (const char* type : {"F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0",
                           "F8_E4M3FNUZ", "F8_E5M2FNUZ", "U16", "U32", "C64", "U64", "f32", ""}) {
    EXPECT_THAT(refusal_of_entry(std::string(R"({"dtype":")") + type +
                                 R"(","shape":[2],"data_offsets":[0,4]})"),
                testing::AllOf(HasSubstr("dtype '" + std::string(type) + "'"), HasSubstr("BF16")));
  }
}

TEST(Safetensors, RefusesMetadataThatIsNoObject) {
  for (const char* metadata : {"1", "null", "[]", R"("text")", R"({"k":{}})", R"({"k":null})"}) {
    EXPECT_THAT(refusal_of(file_of(std::string(R"({"__metadata__":)") + metadata + "}", "")),
                HasSubstr("__metadata__"))
        << metadata;
  }
}

// Every prefix of a file is refused, and so is every file with one bit of its header's length
// turned; none reads past the end (the sanitizers would say so).
TEST(Safetensors, RefusesEveryFileThatIsCutOff) {
  const TempFolder folder;
  for (size_t length = 0; length < kGolden.size(); ++length) {
    write_bytes(folder / "x", kGolden.substr(0, length));
    EXPECT_THROW(SafetensorsFile::open(folder / "x"), DataError) << length;
  }
  for (int bit = 0; bit < 64; ++bit) {
    std::string bytes = kGolden;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    write_bytes(folder / "x", bytes);
    EXPECT_THROW(SafetensorsFile::open(folder / "x"), DataError) << bit;
  }
}

TEST(Safetensors, LeavesNoFileWhenItCannotWriteOne) {
  const TempFolder folder;
  EXPECT_THAT(message_of<StorageError>([&] { write_safetensors(folder / "no/x", {}, {}); }),
              HasSubstr("cannot open"));
  const float value = 0;
  // A device that is always full.
  if (std::filesystem::exists("/dev/full")) {
    std::filesystem::create_symlink("/dev/full", folder / "full");
    const NamedTensor tensor{"a", TensorType::kF32, {1}, &value};
    EXPECT_THAT(message_of<StorageError>([&] { write_safetensors(folder / "full", {tensor}, {}); }),
                HasSubstr("No space left"));
    EXPECT_FALSE(std::filesystem::is_symlink(folder / "full"));
  }
}

}  // namespace
}  // namespace tutti::checkpoints
