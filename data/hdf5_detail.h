#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <hdf5.h>

#include "data/hdf5.h"

// What hdf5.cc needs of the C API: identifiers that close themselves, the reason of a failure.
namespace tutti::data::hdf5 {

// Before the first call of the library.
void init_library();

// HDF5 prints its error stack unless told not to, each thread for itself. Free after the first
// call.
void silence_thread();

// Why the last call failed, taken from HDF5's error stack, which is cleared.
std::string reason();
// What the user can do about it; may be empty.
std::string cure_of(const std::string& why);

template <typename T>
hid_t file_type();
template <>
inline hid_t file_type<uint8_t>() {
  return H5T_STD_U8LE;
}
template <>
inline hid_t file_type<int32_t>() {
  return H5T_STD_I32LE;
}
template <>
inline hid_t file_type<int64_t>() {
  return H5T_STD_I64LE;
}
template <>
inline hid_t file_type<float>() {
  return H5T_IEEE_F32LE;
}
template <>
inline hid_t file_type<double>() {
  return H5T_IEEE_F64LE;
}
// Machines we build for are little-endian, so the type in memory is the type in the file.

std::string type_name(hid_t type);  // "int32", "float64"

// Owns an HDF5 identifier.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Handle() { close(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      id_ = std::exchange(other.id_, -1);
      closer_ = other.closer_;
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }
  herr_t close() {
    if (id_ < 0) return 0;
    return closer_(std::exchange(id_, -1));
  }

 private:
  hid_t id_ = -1;
  Closer closer_ = nullptr;
};

Handle property_list(hid_t kind);

// A dataset's creation list: chunks of about 256 KiB with a checksum each.
Handle dataset_layout(std::span<const hsize_t> dims, size_t element_bytes, Storage storage,
                      bool extendable);

}  // namespace tutti::data::hdf5
