#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/hdf5.h"
#include "data/string_table.h"

namespace tutti::data {

// An HDF5 file that another program wrote (h5py, pandas, R): where Hdf5File reads exactly what it
// writes, this one takes any float type and strings of either kind. Errors are DataErrors naming
// file, dataset and HDF5's own reason. One thread per process touches HDF5.
class ForeignHdf5 {
 public:
  static ForeignHdf5 open(const std::filesystem::path& path);
  ~ForeignHdf5();
  ForeignHdf5(ForeignHdf5&&) noexcept;
  ForeignHdf5& operator=(ForeignHdf5&&) noexcept;

  bool has(const std::string& name) const;  // a dataset of this name
  // The next three: DataError that lists the file's datasets when there is none of this name.
  std::vector<int64_t> shape(const std::string& name) const;  // may be of any rank
  bool is_float(const std::string& name) const;
  std::string type_name(const std::string& name) const;  // "float32", "int64", "string", "other"

  // Rows [first, first + count) of a 2-D float dataset as fp32 -> out [count, columns].
  void read_float_rows(const std::string& name, int64_t first, int64_t count, float* out) const;
  // A 1-D dataset of strings (fixed or variable length; UTF-8 or ASCII) or integers, as text.
  StringTable read_keys(const std::string& name) const;

 private:
  struct Impl;
  explicit ForeignHdf5(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::data
