#include "ids/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr int64_t kMaxHeaderBytes = 1 << 16;  // numpy writes 128
constexpr int64_t kWindowRows = 1 << 16;

[[noreturn]] void refuse(const std::string& path, const std::string& place,
                         const std::string& found, const std::string& expected,
                         const std::string& cure = "") {
  throw DataError({path, place, found, expected, cure});
}

// The dictionary of the header, a Python literal: {'descr': '<f4', 'fortran_order': False, ...}.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  NpyHeader read() {
    NpyHeader header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!next_is('}')) {
      const std::string key = quoted();
      expect(':');
      const auto once = [&](bool* seen) {
        if (*seen) fail("'" + key + "' twice", "each key once");
        *seen = true;
      };
      if (key == "descr") {
        once(&has_descr);
        if (next_is('[')) {
          fail("a record array", "a plain array of numbers",
               "save the column of vectors by itself");
        }
        header.descr = quoted();
      } else if (key == "fortran_order") {
        once(&has_order);
        header.fortran_order = boolean();
      } else if (key == "shape") {
        once(&has_shape);
        header.shape = tuple();
      } else {
        fail("key '" + key + "'", "descr, fortran_order, shape");
      }
      if (next_is('}')) break;
      expect(',');
    }
    expect('}');
    if (!has_descr || !has_order || !has_shape) {
      fail("an incomplete dictionary", "descr, fortran_order and shape");
    }
    // The reference pads with blanks and ends with a line feed.
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (text_.substr(at_) != "\n") fail("something behind the dictionary", "blanks and a line end");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& found, const std::string& expected,
                         const std::string& cure = "") const {
    refuse(path_, fmt::format("header byte {}", at_), found, expected, cure);
  }
  std::string here() const {
    return at_ < text_.size() ? fmt::format("'{}'", text_.substr(at_, 1)) : "the end";
  }
  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool next_is(char c) {
    skip_blanks();
    return at_ < text_.size() && text_[at_] == c;
  }
  void expect(char c) {
    if (!next_is(c)) fail(here(), fmt::format("'{}'", c));
    ++at_;
  }
  std::string quoted() {
    skip_blanks();
    const char quote = next_is('"') ? '"' : '\'';
    expect(quote);
    const size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("a string without end", "a quote");
    const std::string_view inner = text_.substr(at_, end - at_);
    if (inner.find('\\') != std::string_view::npos) fail("an escape", "plain characters");
    at_ = end + 1;
    return std::string(inner);
  }
  bool boolean() {
    skip_blanks();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    fail(here(), "True or False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!next_is(')')) {
      int64_t value = 0;
      const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (parsed.ec != std::errc() || value < 0) fail(here(), "a whole number from 0 on");
      at_ = parsed.ptr - text_.data();
      values.push_back(value);
      if (next_is(')')) {
        if (values.size() == 1) fail("')'", "','");  // (3) is a number, (3,) a tuple
        break;
      }
      expect(',');
    }
    expect(')');
    return values;
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
};

std::ifstream open(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path)) {
    refuse(path.string(), "", "no readable file", "a .npy file");
  }
  return file;
}

uint32_t little_endian(const char* bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// A code point as UTF-8; false when it is none.
bool append_utf8(uint32_t c, std::string* out) {
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return false;
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
    return true;
  }
  const int tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out->push_back(static_cast<char>(kLead[tail] | c >> (6 * tail)));
  for (int i = tail - 1; i >= 0; --i) {
    out->push_back(static_cast<char>(0x80 | (c >> (6 * i) & 0x3F)));
  }
  return true;
}

// One element of a key array as text; false when it is not text.
bool append_key(char kind, const char* bytes, int64_t size, std::string* out) {
  if (kind == 'S') {  // padded with zeros
    const auto* end = bytes + size;
    while (end > bytes && end[-1] == '\0') --end;
    out->append(bytes, end);
    return true;
  }
  if (kind == 'U') {
    int64_t length = size / 4;
    while (length > 0 && little_endian(bytes + 4 * (length - 1), 4) == 0) --length;
    for (int64_t i = 0; i < length; ++i) {
      if (!append_utf8(little_endian(bytes + 4 * i, 4), out)) return false;
    }
    return true;
  }
  uint64_t value = 0;
  std::memcpy(&value, bytes, size);
  if (kind == 'i' && size < 8) {  // the sign reaches up
    const int unused = static_cast<int>(64 - 8 * size);
    value = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
  }
  *out += kind == 'i' ? std::to_string(static_cast<int64_t>(value)) : std::to_string(value);
  return true;
}

}  // namespace

NpyHeader parse_npy_header(std::string_view bytes, const std::string& path) {
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    refuse(path, "byte 0", "another first word", "\\x93NUMPY, as every .npy file begins");
  }
  if (bytes.size() < 12) refuse(path, "", "a file that ends in its header", "a whole header");
  const int major = static_cast<unsigned char>(bytes[6]);
  const int minor = static_cast<unsigned char>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    refuse(path, "byte 6", fmt::format("format version {}.{}", major, minor), "1.0, 2.0 or 3.0");
  }
  const int length_bytes = major == 1 ? 2 : 4;
  const int64_t begin = 8 + length_bytes;
  const int64_t length = little_endian(bytes.data() + 8, length_bytes);
  if (length > kMaxHeaderBytes) {
    refuse(path, "byte 8", fmt::format("a header of {} bytes", length),
           fmt::format("at most {}", kMaxHeaderBytes));
  }
  if (begin + length > std::ssize(bytes)) {
    refuse(path, "", "a file that ends in its header", fmt::format("{} bytes of it", length));
  }
  NpyHeader header = HeaderReader(bytes.substr(begin, length), path).read();
  header.data_offset = begin + length;
  return header;
}

int64_t npy_element_bytes(const NpyHeader& header, const std::string& path) {
  const std::string& descr = header.descr;
  const auto unknown = [&](const std::string& cure) {
    refuse(path, "descr", "'" + descr + "'",
           "little-endian numbers or text, as '<f4', '<i8', '<U22' or '|S22'", cure);
  };
  if (descr.size() < 3) unknown("");
  if (descr[0] == '>') unknown("write it with array.astype(array.dtype.newbyteorder('<'))");
  int64_t size = 0;
  const char* end = descr.data() + descr.size();
  const auto parsed = std::from_chars(descr.data() + 2, end, size);
  if (parsed.ec != std::errc() || parsed.ptr != end || size < 1 || size > (1 << 20)) unknown("");
  const char kind = descr[1];
  const bool is_number =
      (kind == 'f' && (size == 2 || size == 4 || size == 8)) ||
      ((kind == 'i' || kind == 'u') && std::has_single_bit(uint64_t(size)) && size <= 8);
  if (!is_number && kind != 'U' && kind != 'S') unknown("");
  const bool is_byte_sized = kind == 'S' || (is_number && size == 1);
  if (descr[0] != (is_byte_sized ? '|' : '<')) unknown("");
  return kind == 'U' ? 4 * size : size;
}

NpyHeader read_npy_header(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::ifstream file = open(path);
  std::string start(12 + kMaxHeaderBytes, '\0');
  file.read(start.data(), std::ssize(start));
  start.resize(file.gcount());
  NpyHeader header = parse_npy_header(start, name);
  if (header.fortran_order) {
    refuse(name, "fortran_order", "True", "False", "write it with numpy.ascontiguousarray(array)");
  }
  const auto file_bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  int64_t bytes = npy_element_bytes(header, name);
  for (const int64_t size : header.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      refuse(name, "shape", data::shape_text(header.shape), "an array that a file can hold");
    }
  }
  if (bytes != file_bytes - header.data_offset) {
    refuse(name, "shape " + data::shape_text(header.shape),
           fmt::format("{} bytes behind the header", file_bytes - header.data_offset),
           fmt::format("{}", bytes), "the file was cut off or changed");
  }
  return header;
}

data::StringTable read_npy_keys(const std::filesystem::path& path) {
  const std::string name = path.string();
  const NpyHeader header = read_npy_header(path);
  const char kind = header.descr[1];
  if (header.shape.size() != 1 || kind == 'f') {
    refuse(name, "", fmt::format("an array of {} {}", header.descr, data::shape_text(header.shape)),
           "a one-dimensional array of str, bytes or integers");
  }
  const int64_t element = npy_element_bytes(header, name), num_rows = header.shape[0];
  std::ifstream file = open(path);
  file.seekg(header.data_offset);
  data::StringTable keys;
  std::string window, key;
  for (int64_t row = 0; row < num_rows; ++row) {
    if (row % kWindowRows == 0) {
      window.resize(std::min(kWindowRows, num_rows - row) * element);
      if (!file.read(window.data(), std::ssize(window))) refuse(name, "", "a read error", "keys");
    }
    key.clear();
    if (!append_key(kind, window.data() + row % kWindowRows * element, element, &key)) {
      refuse(name, fmt::format("row {}", row), "a number that is no code point", "text");
    }
    keys.push_back(key);
  }
  return keys;
}

}  // namespace tutti::ids
