#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "ids/vector_file.h"

namespace tutti::launch {

// Vectors of others by the ending of the file's name: .npy, .safetensors, .h5 or .hdf5. `vectors`
// and `keys`: names of a tensor or dataset; a .npy file has one array. In a safetensors file keys
// are a U8 tensor [rows, width], each padded with zeros, or an I64 tensor [rows]. UsageError for
// another ending, DataError when the file is not what it should be.
std::unique_ptr<ids::VectorFile> open_vector_file(const std::filesystem::path& path,
                                                  const std::string& vectors,
                                                  const std::string& keys);

}  // namespace tutti::launch
