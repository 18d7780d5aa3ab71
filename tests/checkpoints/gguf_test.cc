#include "checkpoints/import/gguf.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/checkpoints/gguf_bytes.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<float> values_of(const GgufTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
  copy_as_fp32(tensor, values);
  return values;
}

GgufBytes good_file() {
  GgufBytes file;
  file.add_u32("n", 7).add_text("name", "tiny").add_flag("is", true);
  file.add_texts("words", {"a", ""}).add_i32s("kinds", {1, -3});
  file.add_f32_tensor("first", {3, 2}, {1, 2, 3, 4, 5, 6});
  file.add_f32_tensor("second", {1}, {-1});
  return file;
}

TEST(Gguf, ReadsValuesOfEveryType) {
  using B = GgufBytes;
  GgufBytes file;
  const std::vector<std::string> numbers = {
      B::number<uint32_t>(0) + B::number<uint8_t>(200),
      B::number<uint32_t>(1) + B::number<int8_t>(-2),
      B::number<uint32_t>(2) + B::number<uint16_t>(65535),
      B::number<uint32_t>(3) + B::number<int16_t>(-300),
      B::number<uint32_t>(4) + B::number(7U),
      B::number<uint32_t>(5) + B::number(-7),
      B::number<uint32_t>(10) + B::number<uint64_t>(1ULL << 40),
      B::number<uint32_t>(11) + B::number<int64_t>(-5)};
  for (size_t i = 0; i < numbers.size(); ++i) file.add("w" + std::to_string(i), numbers[i]);
  file.add("f", B::number<uint32_t>(6) + B::number(0.5F));
  file.add("d", B::number<uint32_t>(12) + B::number(0.25));
  const TempFolder folder;
  write_bytes(folder / "x.gguf", file.bytes());
  const GgufFile read = GgufFile::open(folder / "x.gguf");
  std::vector<int64_t> found;
  for (size_t i = 0; i < numbers.size(); ++i) found.push_back(read.whole("w" + std::to_string(i)));
  EXPECT_THAT(found, ElementsAre(200, -2, 65535, -300, 7, -7, int64_t{1} << 40, -5));
  EXPECT_EQ(read.number("f"), 0.5);
  EXPECT_EQ(read.number("d"), 0.25);
  EXPECT_EQ(read.number("none", 3.0), 3.0);
}

TEST(Gguf, GivesTensorsInTheOrderOfTorch) {
  const TempFolder folder;
  write_bytes(folder / "x.gguf", good_file().bytes());
  const GgufFile file = GgufFile::open(folder / "x.gguf");
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_THAT(file.find_tensor("first")->shape, ElementsAre(2, 3));
  EXPECT_THAT(values_of(*file.find_tensor("first")), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(values_of(*file.find_tensor("second")), ElementsAre(-1));
  EXPECT_EQ(file.text("name"), "tiny");
  EXPECT_TRUE(file.flag("is", false));
  EXPECT_THAT(file.texts("words"), ElementsAre("a", ""));
  EXPECT_THAT(file.whole_numbers("kinds"), ElementsAre(1, -3));
}

// Blocks written by hand from the format's formulas.
TEST(Gguf, UnpacksEveryTypeOfElement) {
  const std::string half = {'\x00', '\x38'}, two = {'\x00', '\x40'};  // 0.5 and 2 in fp16
  std::string nibbles(16, '\0'), bytes(32, '\0');
  for (int i = 0; i < 16; ++i) nibbles[i] = static_cast<char>(i | (15 - i) << 4);
  for (int i = 0; i < 32; ++i) bytes[i] = static_cast<char>(i - 16);
  const auto read = [](uint32_t type, const std::string& data, uint64_t count) {
    GgufBytes file;
    file.tensors.push_back({"t", {count}, type, data});
    const std::string all = file.bytes();
    return values_of(parse_gguf(all, "x").tensors.front());
  };
  const std::vector<float> q4_0 = read(2, half + nibbles, 32),
                           q4_1 = read(3, half + two + nibbles, 32),
                           q8_0 = read(8, half + bytes, 32);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(q4_0[i], 0.5F * static_cast<float>(i - 8));
    EXPECT_EQ(q4_0[i + 16], 0.5F * static_cast<float>(7 - i));
    EXPECT_EQ(q4_1[i], 0.5F * static_cast<float>(i) + 2);
    EXPECT_EQ(q4_1[i + 16], 0.5F * static_cast<float>(15 - i) + 2);
  }
  for (int i = 0; i < 32; ++i) EXPECT_EQ(q8_0[i], 0.5F * static_cast<float>(i - 16));
  EXPECT_THAT(read(1, half + two, 2), ElementsAre(0.5F, 2.0F));
  EXPECT_THAT(read(30, std::string("\x80\x3f\xf7\xc2", 4), 2), ElementsAre(1.0F, -123.5F));
}

struct Wrong {
  const char* what;
  std::function<std::string()> bytes;
  const char* said;
};

std::string damaged(const std::function<void(GgufBytes&)>& change) {
  GgufBytes file = good_file();
  change(file);
  return file.bytes();
}
std::string with_value(uint32_t type, const std::string& value) {
  return damaged([&](GgufBytes& f) { f.add("bad", GgufBytes::number(type) + value); });
}

TEST(Gguf, RefusesWhatTheFormatForbids) {
  using B = GgufBytes;
  const auto replaced = [](size_t at, const std::string& with) {
    std::string bytes = good_file().bytes();
    return bytes.replace(at, with.size(), with);
  };
  const auto tensor = [](std::vector<uint64_t> dims, uint32_t type, int64_t offset = -1) {
    return damaged([&](GgufBytes& f) {
      f.tensors[1] = {"bad", std::move(dims), type, "1234", offset};
    });
  };
  const std::vector<Wrong> wrongs = {
      {"nothing", [] { return std::string(); }, "magic"},
      {"another magic", [&] { return replaced(0, "GGML"); }, "the letters GGUF"},
      {"version 1", [&] { return replaced(4, B::number(1U)); }, "version 2 or 3"},
      {"version 4", [&] { return replaced(4, B::number(4U)); }, "version 2 or 3"},
      {"big-endian", [&] { return replaced(4, std::string("\0\0\0\3", 4)); }, "big-endian"},
      {"too many tensors", [&] { return replaced(8, B::number<uint64_t>(1ULL << 60)); },
       "tensor count"},
      {"too many keys", [&] { return replaced(16, B::number<uint64_t>(1ULL << 60)); },
       "count of keys"},
      {"a key beyond the end", [&] { return replaced(24, B::number<uint64_t>(1ULL << 62)); },
       "key 0"},
      {"a key twice", [] { return damaged([](GgufBytes& f) { f.add_u32("n", 7); }); },
       "every key once"},
      {"value type 13", [] { return with_value(13, "12345678"); }, "value type 13"},
      {"a truth value of 2", [] { return with_value(7, "\2"); }, "0 or 1"},
      {"a number beyond 2^63", [] { return with_value(10, std::string(8, '\xff')); }, "2^63"},
      {"a text beyond the end", [] { return with_value(8, B::number<uint64_t>(1ULL << 50)); },
       "key 'bad'"},
      {"an array beyond the end",
       [] { return with_value(9, B::number(5U) + B::number<uint64_t>(1ULL << 61)); }, "a count of"},
      {"an array of arrays", [] { return with_value(9, B::number(9U) + B::number<uint64_t>(0)); },
       "an array of arrays"},
      {"alignment 0",
       [] { return damaged([](GgufBytes& f) { f.add_u32("general.alignment", 0); }); },
       "general.alignment"},
      {"alignment 24",
       [] { return damaged([](GgufBytes& f) { f.add_u32("general.alignment", 24); }); },
       "a power of two"},
      {"a text as alignment",
       [] { return damaged([](GgufBytes& f) { f.add_text("general.alignment", "32"); }); },
       "no number"},
      {"a tensor without a name",
       [] { return damaged([](GgufBytes& f) { f.tensors[1].name = ""; }); }, "name of tensor 1"},
      {"a long name",
       [] { return damaged([](GgufBytes& f) { f.tensors[1].name = std::string(65, 'n'); }); },
       "65 bytes"},
      {"a name twice", [] { return damaged([](GgufBytes& f) { f.tensors[1].name = "first"; }); },
       "every name once"},
      {"no dimension", [&] { return tensor({}, 0); }, "0 dimensions"},
      {"five dimensions",
       [&] {
         return tensor({1, 1, 1, 1, 1}, 0);
       },
       "5 dimensions"},
      {"a dimension of 0",
       [&] {
         return tensor({0, 1}, 0);
       },
       "a dimension of 0"},
      {"a product beyond 2^61",
       [&] {
         return tensor({1ULL << 40, 1ULL << 40}, 0);
       },
       "61 bits"},
      {"a type that is not read", [&] { return tensor({256}, 14); }, "type Q6_K"},
      {"a type that does not exist", [&] { return tensor({256}, 99); }, "type number 99"},
      {"rows that are no whole blocks", [&] { return tensor({33}, 2); }, "a multiple of 32"},
      {"an offset off the alignment", [&] { return tensor({1}, 0, 33); },
       "a multiple of the alignment"},
      {"an overlap", [&] { return tensor({1}, 0, 0); }, "32: tensors follow each other"},
      {"a hole", [&] { return tensor({1}, 0, 64); }, "32: tensors follow each other"},
      {"a tensor that is cut off", [&] { return tensor({99}, 0); }, "truncated"},
      {"bytes behind the last tensor", [] { return good_file().bytes() + "x"; },
       "nothing may follow"},
  };
  for (const Wrong& wrong : wrongs) {
    const std::string bytes = wrong.bytes();
    const std::string message = message_of<DataError>([&] { parse_gguf(bytes, "dir/x.gguf"); });
    EXPECT_THAT(message, AllOf(HasSubstr("dir/x.gguf"), HasSubstr(wrong.said))) << wrong.what;
    EXPECT_EQ(message.find('\n'), std::string::npos) << wrong.what;
  }
}

// Every prefix of a file is refused, none reads past its end (the sanitizers would say so). The
// padding behind the last tensor may be missing.
TEST(Gguf, RefusesEveryFileThatIsCutOff) {
  const std::string bytes = good_file().bytes();
  const size_t whole = bytes.size() - 28;  // the last tensor holds 4 of 32 bytes
  for (size_t length = 0; length < whole; ++length) {
    const std::string part = bytes.substr(0, length);
    EXPECT_THROW(parse_gguf(part, "x"), DataError) << length;
  }
  EXPECT_NO_THROW(parse_gguf(bytes.substr(0, whole), "x"));
}

TEST(Gguf, NamesTheKeyThatIsMissingOrOfAnotherType) {
  const TempFolder folder;
  write_bytes(folder / "x.gguf", good_file().bytes());
  const GgufFile file = GgufFile::open(folder / "x.gguf");
  EXPECT_THAT(message_of<DataError>([&] { file.size("none"); }),
              AllOf(HasSubstr("x.gguf"), HasSubstr("key 'none'"), HasSubstr("found nothing")));
  EXPECT_THAT(message_of<DataError>([&] { file.size("name"); }), HasSubstr("another type"));
  EXPECT_THAT(message_of<DataError>([&] { file.text("n"); }), HasSubstr("a text"));
  EXPECT_THAT(message_of<DataError>([&] { GgufFile::open(folder / "none"); }),
              HasSubstr("No such file"));
}

}  // namespace
}  // namespace tutti::checkpoints
