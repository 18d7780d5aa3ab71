#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/string_table.h"

namespace tutti::ids {

// What stands before the numbers of a .npy file (numpy.lib.format, versions 1.0 to 3.0).
struct NpyHeader {
  std::string descr;  // "<f4"
  bool fortran_order = false;
  std::vector<int64_t> shape;
  int64_t data_offset = 0;  // bytes
};

// Reads and checks the header: a dictionary of exactly descr, fortran_order and shape. `bytes`: the
// start of the file, its header at least. DataError says which rule is broken.
NpyHeader parse_npy_header(std::string_view bytes, const std::string& path);

// The header of this file. DataError also unless it is C-ordered and the file ends with its last
// element, whose size is that of the descr: f, i, u, U and S of little-endian order are known.
NpyHeader read_npy_header(const std::filesystem::path& path);
int64_t npy_element_bytes(const NpyHeader& header, const std::string& path);

// A one-dimensional array of str, bytes or integers as text.
data::StringTable read_npy_keys(const std::filesystem::path& path);

}  // namespace tutti::ids
