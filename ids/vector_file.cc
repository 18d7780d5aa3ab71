#include "ids/vector_file.h"

#include <cstring>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/hdf5_foreign.h"
#include "dist/runtime/errors.h"
#include "ids/npy.h"

namespace tutti::ids {
namespace {

// IEEE 754 binary16, by its parts.
float from_float16(uint16_t bits) {
  const int sign = bits >> 15, exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = 0;
  if (exponent == 31) {
    value = fraction == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = static_cast<float>(fraction) * 0x1p-24F;
  } else {
    const uint32_t wide =
        static_cast<uint32_t>(exponent + 112) << 23 | static_cast<uint32_t>(fraction) << 13;
    std::memcpy(&value, &wide, sizeof(value));
  }
  return sign != 0 ? -value : value;
}

float from_bfloat16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

template <typename T, typename Convert>
void convert_all(const std::byte* bytes, int64_t count, float* out, Convert convert) {
  for (int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

class NpyVectors final : public VectorFile {
 public:
  NpyVectors(const std::filesystem::path& path, const NpyHeader& header, FloatType type)
      : VectorFile(path.string(), header.shape[0], header.shape[1]),
        type_(type),
        data_offset_(header.data_offset),
        file_(path, std::ios::binary) {}

  void read_rows(int64_t first, int64_t count, float* out) override {
    const int64_t row_bytes = dim() * size_of(type_);
    bytes_.resize(count * row_bytes);
    file_.seekg(data_offset_ + first * row_bytes);
    if (!file_.read(reinterpret_cast<char*>(bytes_.data()), std::ssize(bytes_))) {
      throw DataError({name(), fmt::format("rows {} to {}", first, first + count), "a read error",
                       "the rows that the header promises", ""});
    }
    to_float32(type_, bytes_.data(), count * dim(), out);
  }
  std::optional<data::StringTable> read_keys() override { return std::nullopt; }

 private:
  FloatType type_;
  int64_t data_offset_;
  std::ifstream file_;
  std::vector<std::byte> bytes_;
};

class Hdf5Vectors final : public VectorFile {
 public:
  Hdf5Vectors(const std::filesystem::path& path, data::ForeignHdf5 file,
              const std::vector<int64_t>& shape, std::string vectors, std::string keys)
      : VectorFile(path.string(), shape[0], shape[1]),
        file_(std::move(file)),
        vectors_(std::move(vectors)),
        keys_(std::move(keys)) {}

  void read_rows(int64_t first, int64_t count, float* out) override {
    file_.read_float_rows(vectors_, first, count, out);
  }
  std::optional<data::StringTable> read_keys() override {
    if (!file_.has(keys_)) return std::nullopt;
    return file_.read_keys(keys_);
  }

 private:
  data::ForeignHdf5 file_;
  std::string vectors_, keys_;
};

}  // namespace

int64_t size_of(FloatType type) {
  switch (type) {
    case FloatType::kFloat16:
    case FloatType::kBFloat16:
      return 2;
    case FloatType::kFloat32:
      return 4;
    case FloatType::kFloat64:
      return 8;
  }
  TUTTI_CHECK(false, "a FloatType of no size");
}

void to_float32(FloatType type, const std::byte* bytes, int64_t count, float* out) {
  switch (type) {
    case FloatType::kFloat16:
      return convert_all<uint16_t>(bytes, count, out, from_float16);
    case FloatType::kBFloat16:
      return convert_all<uint16_t>(bytes, count, out, from_bfloat16);
    case FloatType::kFloat32:
      std::memcpy(out, bytes, count * sizeof(float));
      return;
    case FloatType::kFloat64:
      return convert_all<double>(bytes, count, out, [](double v) { return static_cast<float>(v); });
  }
}

VectorFile::VectorFile(std::string name, int64_t num_rows, int64_t dim)
    : name_(std::move(name)), num_rows_(num_rows), dim_(dim) {
  if (num_rows < 1 || dim < 1) {
    throw DataError({name_, "", fmt::format("a matrix of {} x {}", num_rows, dim),
                     "at least one row and one column", ""});
  }
}

std::unique_ptr<VectorFile> open_npy_vectors(const std::filesystem::path& path) {
  const NpyHeader header = read_npy_header(path);
  if (header.shape.size() != 2 || header.descr[1] != 'f') {
    throw DataError({path.string(), "",
                     fmt::format("an array of {} {}", header.descr, data::shape_text(header.shape)),
                     "a two-dimensional array of float16, float32 or float64", ""});
  }
  const int64_t size = npy_element_bytes(header, path.string());
  const FloatType type = size == 2   ? FloatType::kFloat16
                         : size == 4 ? FloatType::kFloat32
                                     : FloatType::kFloat64;
  return std::make_unique<NpyVectors>(path, header, type);
}

std::unique_ptr<VectorFile> open_hdf5_vectors(const std::filesystem::path& path,
                                              const std::string& vectors, const std::string& keys) {
  auto file = data::ForeignHdf5::open(path);
  const auto shape = file.shape(vectors);
  if (shape.size() != 2 || !file.is_float(vectors)) {
    throw DataError({path.string(), fmt::format("dataset '{}'", vectors),
                     fmt::format("{} {}", file.type_name(vectors), data::shape_text(shape)),
                     "a two-dimensional dataset of floats", "name another with --vectors"});
  }
  return std::make_unique<Hdf5Vectors>(path, std::move(file), shape, vectors, keys);
}

data::StringTable read_key_file(const std::filesystem::path& path) {
  if (path.extension() == ".npy") return read_npy_keys(path);
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path)) {
    throw DataError({path.string(), "", "no readable file", "a key a line", ""});
  }
  data::StringTable keys;
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    keys.push_back(line);
  }
  return keys;
}

}  // namespace tutti::ids
