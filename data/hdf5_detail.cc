#include "data/hdf5_detail.h"

#include <algorithm>
#include <mutex>
#include <string_view>

#include <fmt/format.h>

namespace tutti::data::hdf5 {
namespace {

constexpr int64_t kChunkBytes = 256 << 10;

}  // namespace

void init_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    // The exit handler of HDF5 1.10 crashes after a failed write; files are closed by hand.
    H5dont_atexit();
    H5open();
    silence_thread();
  });
}

void silence_thread() {
  thread_local const bool silent = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  static_cast<void>(silent);
}

// The deepest entry of HDF5's error stack is the cause. Of a failed system call only the system's
// words are kept: the rest holds addresses and times.
std::string reason() {
  std::string text;
  auto take_first = [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
    if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &text);
  H5Eclear2(H5E_DEFAULT);
  const std::string_view mark = "error message = '";
  if (const size_t begin = text.find(mark); begin != std::string::npos) {
    const size_t end = text.find('\'', begin + mark.size());
    const bool is_lock = text.find("lock file") != std::string::npos;
    text = text.substr(begin + mark.size(), end - begin - mark.size());
    if (is_lock) text = "cannot lock the file: " + text;
  }
  return text.empty() ? "HDF5 gave no reason" : text;
}

std::string cure_of(const std::string& why) {
  if (why.find("lock the file") == std::string::npos) return {};
  return "on file systems without locks set HDF5_USE_FILE_LOCKING=FALSE";
}

std::string type_name(hid_t type) {
  const char* kind = "other";
  if (H5Tget_class(type) == H5T_FLOAT) kind = "float";
  if (H5Tget_class(type) == H5T_INTEGER) kind = H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int";
  return fmt::format("{}{}", kind, 8 * H5Tget_size(type));
}

Handle property_list(hid_t kind) {
  return Handle(H5Pcreate(kind), H5Pclose);
}

Handle dataset_layout(std::span<const hsize_t> dims, size_t element_bytes, Storage storage,
                      bool extendable) {
  Handle list = property_list(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(list.get(), false);
  // A dataset without rows has nothing to store and no chunks.
  if (!extendable && std::ranges::find(dims, hsize_t{0}) != dims.end()) return list;
  const hsize_t columns = dims.size() == 2 ? dims[1] : 1;
  hsize_t rows = std::max<hsize_t>(1, kChunkBytes / (columns * element_bytes));
  if (!extendable) rows = std::min(rows, dims[0]);
  const hsize_t chunk[2] = {rows, columns};
  H5Pset_chunk(list.get(), static_cast<int>(dims.size()), chunk);
  if (storage == Storage::kCompressed) {
    H5Pset_shuffle(list.get());
    H5Pset_deflate(list.get(), 1);
  }
  H5Pset_fletcher32(list.get());
  return list;
}

}  // namespace tutti::data::hdf5
