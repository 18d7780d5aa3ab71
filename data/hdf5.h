#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/string_table.h"

namespace tutti::data {

// How an array is stored. Both are chunked (about 256 KiB) and carry a Fletcher-32 checksum a
// chunk, so that a flipped bit fails the read instead of changing a value.
enum class Storage {
  kCompressed,  // shuffle + deflate 1: integers, text
  kRaw,         // no compression: float arrays, whose mantissas do not compress
};

// One HDF5 file, through the serial C API. Names are paths inside the file; groups are made as
// needed. Element types T: uint8_t, int32_t, int64_t, float, double; a dataset is read as the type
// it was written with. The same calls give the same bytes: no time stamps. One thread per process
// touches HDF5.
//
// Reading throws DataError, writing StorageError; both name file, dataset and HDF5's own reason.
class Hdf5File {
 public:
  static Hdf5File create(const std::filesystem::path& path);  // replaces a file of this name
  static Hdf5File open(const std::filesystem::path& path);    // read-only
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) noexcept;

  // Flushes and closes. A file that was written counts only after close() returned: the destructor
  // cannot report a full disk.
  void close();

  template <typename T>
  void write(const std::string& name, std::span<const T> values,
             Storage storage = Storage::kCompressed);  // [n]
  template <typename T>
  void write_matrix(const std::string& name, std::span<const T> values, int64_t columns,
                    Storage storage = Storage::kRaw);  // [n / columns, columns], row-major
  // Group `name` with `bytes` [num_bytes] and `offsets` [n + 1].
  void write_strings(const std::string& name, const StringTable& strings);

  // Adds rows behind the last one; the first call makes the dataset. `columns` 0: 1-D. Every call
  // of one name has the same T, columns and storage.
  template <typename T>
  void append(const std::string& name, std::span<const T> values, int64_t columns = 0,
              Storage storage = Storage::kCompressed);

  bool has(const std::string& name) const;
  std::vector<int64_t> shape(const std::string& name) const;

  template <typename T>
  std::vector<T> read(const std::string& name) const;  // all elements, row-major
  // Rows [first, first + count) of a 1-D or 2-D dataset; `out` holds count * columns elements. The
  // dataset stays open, so that reads nearby are served from its chunk cache.
  template <typename T>
  void read_rows(const std::string& name, int64_t first, int64_t count, T* out) const;
  // DataError also when the offsets do not rise from 0 to the number of bytes.
  StringTable read_strings(const std::string& name) const;

  // Attributes of the file's root.
  void set_attribute(const std::string& name, int64_t value);
  void set_attribute(const std::string& name, const std::string& value);
  int64_t int64_attribute(const std::string& name) const;
  std::string string_attribute(const std::string& name) const;

 private:
  struct Impl;
  explicit Hdf5File(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

std::string shape_text(const std::vector<int64_t>& shape);  // "[3, 128]"

// DataError unless `offsets` [n + 1] starts at 0, never falls and ends at `num_values`: the check
// of every CSR array that is read. `place`: the name of the dataset, for the message.
void check_offsets(const std::vector<int64_t>& offsets, int64_t num_values, const std::string& file,
                   const std::string& place);

}  // namespace tutti::data
