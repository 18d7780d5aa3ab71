#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/string_table.h"

namespace tutti::ids {

// The number types that vectors of others come in, little-endian.
enum class FloatType { kFloat16, kBFloat16, kFloat32, kFloat64 };
int64_t size_of(FloatType type);  // bytes
// `bytes` may lie anywhere. What is too large for fp32 becomes infinite.
void to_float32(FloatType type, const std::byte* bytes, int64_t count, float* out);

// A file of vectors that somebody else made: a matrix, and maybe a key for each of its rows. Read
// in pieces, so that it may be larger than memory.
class VectorFile {
 public:
  virtual ~VectorFile() = default;

  const std::string& name() const { return name_; }
  int64_t num_rows() const { return num_rows_; }
  int64_t dim() const { return dim_; }

  // Rows [first, first + count) -> out [count, dim], as fp32. DataError when they cannot be read.
  virtual void read_rows(int64_t first, int64_t count, float* out) = 0;
  // The keys that the file itself holds; none when it holds none.
  virtual std::optional<data::StringTable> read_keys() = 0;

 protected:
  // DataError unless both are at least 1.
  VectorFile(std::string name, int64_t num_rows, int64_t dim);

 private:
  std::string name_;
  int64_t num_rows_, dim_;
};

// A two-dimensional .npy array of float16, float32 or float64. It holds no keys.
std::unique_ptr<VectorFile> open_npy_vectors(const std::filesystem::path& path);

// A two-dimensional HDF5 dataset of any float type, and its keys: a one-dimensional dataset of
// strings or integers, looked for when `keys` is asked for.
std::unique_ptr<VectorFile> open_hdf5_vectors(const std::filesystem::path& path,
                                              const std::string& vectors, const std::string& keys);

// Keys in a file of their own, one a row: a one-dimensional .npy array of str, bytes or integers
// when the name ends with .npy, else text, a key a line.
data::StringTable read_key_file(const std::filesystem::path& path);

}  // namespace tutti::ids
