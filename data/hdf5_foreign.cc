#include "data/hdf5_foreign.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/hdf5_detail.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

using hdf5::Handle;

constexpr int64_t kWindowRows = 1 << 16;
constexpr size_t kChunkCacheBytes = 64 << 20;  // others choose chunks of any size
constexpr size_t kMaxListed = 8;

herr_t collect_dataset(hid_t /*group*/, const char* name, const H5O_info_t* info, void* names) {
  if (info->type == H5O_TYPE_DATASET)
    static_cast<std::vector<std::string>*>(names)->push_back(name);
  return 0;
}

}  // namespace

struct ForeignHdf5::Impl {
  std::string path;
  Handle file;
  mutable std::map<std::string, Handle> datasets;  // closed before `file`

  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    const std::string why = hdf5::reason();
    throw DataError({path, name.empty() ? "" : fmt::format("dataset '{}'", name),
                     fmt::format("{} ({})", what, why), "", hdf5::cure_of(why)});
  }

  [[noreturn]] void fail_no_such(const std::string& name) const {
    std::vector<std::string> names;
    H5Ovisit(file.get(), H5_INDEX_NAME, H5_ITER_INC, collect_dataset, &names);
    if (names.size() > kMaxListed) {
      names.resize(kMaxListed);
      names.emplace_back("...");
    }
    throw DataError(
        {path, "", fmt::format("no dataset '{}'", name),
         names.empty() ? "a file with datasets" : fmt::format("one of {}", fmt::join(names, ", ")),
         ""});
  }

  hid_t dataset(const std::string& name) const {
    const auto found = datasets.find(name);
    if (found != datasets.end()) return found->second.get();
    const Handle access = hdf5::property_list(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access.get(), 1009, kChunkCacheBytes, 0.75);
    Handle opened(H5Dopen2(file.get(), name.c_str(), access.get()), H5Dclose);
    H5Eclear2(H5E_DEFAULT);
    if (!opened.ok()) fail_no_such(name);
    return datasets.emplace(name, std::move(opened)).first->second.get();
  }

  Handle type_of(const std::string& name) const {
    return Handle(H5Dget_type(dataset(name)), H5Tclose);
  }

  // Reads rows [first, first + count) of a 1-D or 2-D dataset as `memory_type`.
  void read(const std::string& name, int64_t first, int64_t count, hid_t memory_type,
            void* out) const {
    const hid_t from = dataset(name);
    const Handle space(H5Dget_space(from), H5Sclose);
    hsize_t dims[2] = {0, 1};
    const int rank = H5Sget_simple_extent_ndims(space.get());
    TUTTI_CHECK(rank == 1 || rank == 2, "the caller looked at the shape");
    H5Sget_simple_extent_dims(space.get(), dims, nullptr);
    TUTTI_CHECK(first >= 0 && first + count <= static_cast<int64_t>(dims[0]));
    const hsize_t begin[2] = {static_cast<hsize_t>(first), 0};
    const hsize_t size[2] = {static_cast<hsize_t>(count), dims[1]};
    const Handle memory(H5Screate_simple(rank, size, nullptr), H5Sclose);
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, begin, nullptr, size, nullptr);
    if (H5Dread(from, memory_type, memory.get(), space.get(), H5P_DEFAULT, out) < 0) {
      fail(name, fmt::format("rows {} to {} cannot be read", first, first + count));
    }
  }

  void append_integers(const std::string& name, int64_t num_rows, StringTable* keys) const {
    std::vector<int64_t> values(std::min(num_rows, kWindowRows));
    for (int64_t row = 0; row < num_rows; row += kWindowRows) {
      const int64_t count = std::min(kWindowRows, num_rows - row);
      read(name, row, count, H5T_NATIVE_INT64, values.data());
      for (int64_t i = 0; i < count; ++i) keys->push_back(std::to_string(values[i]));
    }
  }

  void append_variable(const std::string& name, int64_t num_rows, hid_t type,
                       StringTable* keys) const {
    const Handle memory_type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory_type.get(), H5T_VARIABLE);
    H5Tset_cset(memory_type.get(), H5Tget_cset(type));
    std::vector<char*> strings(std::min(num_rows, kWindowRows));
    for (int64_t row = 0; row < num_rows; row += kWindowRows) {
      const int64_t count = std::min(kWindowRows, num_rows - row);
      std::fill(strings.begin(), strings.end(), nullptr);
      read(name, row, count, memory_type.get(), strings.data());
      for (int64_t i = 0; i < count; ++i) {
        keys->push_back(strings[i] == nullptr ? std::string_view() : std::string_view(strings[i]));
      }
      const auto size = static_cast<hsize_t>(count);
      const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose);
      H5Dvlen_reclaim(memory_type.get(), space.get(), H5P_DEFAULT, strings.data());
    }
  }

  void append_fixed(const std::string& name, int64_t num_rows, hid_t type,
                    StringTable* keys) const {
    const size_t width = H5Tget_size(type);
    const bool space_padded = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
    std::string bytes(static_cast<size_t>(std::min(num_rows, kWindowRows)) * width, '\0');
    for (int64_t row = 0; row < num_rows; row += kWindowRows) {
      const int64_t count = std::min(kWindowRows, num_rows - row);
      read(name, row, count, type, bytes.data());
      for (int64_t i = 0; i < count; ++i) {
        std::string_view key(bytes.data() + i * width, width);
        key = key.substr(0, key.find('\0'));
        while (space_padded && key.ends_with(' ')) key.remove_suffix(1);
        keys->push_back(key);
      }
    }
  }
};

ForeignHdf5::ForeignHdf5(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ForeignHdf5::~ForeignHdf5() = default;
ForeignHdf5::ForeignHdf5(ForeignHdf5&&) noexcept = default;
ForeignHdf5& ForeignHdf5::operator=(ForeignHdf5&&) noexcept = default;

ForeignHdf5 ForeignHdf5::open(const std::filesystem::path& path) {
  hdf5::init_library();
  auto impl = std::make_unique<Impl>();
  impl->path = path.string();
  if (!std::filesystem::exists(path)) {
    throw DataError({impl->path, "", "no such file", "an HDF5 file", ""});
  }
  impl->file = Handle(H5Fopen(impl->path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!impl->file.ok()) impl->fail("", "not a readable HDF5 file");
  return ForeignHdf5(std::move(impl));
}

bool ForeignHdf5::has(const std::string& name) const {
  const bool found = H5Lexists(impl_->file.get(), name.c_str(), H5P_DEFAULT) > 0;
  H5Eclear2(H5E_DEFAULT);
  return found;
}

std::vector<int64_t> ForeignHdf5::shape(const std::string& name) const {
  const Handle space(H5Dget_space(impl_->dataset(name)), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> dims(std::max(0, rank));
  H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr);
  return {dims.begin(), dims.end()};
}

bool ForeignHdf5::is_float(const std::string& name) const {
  return H5Tget_class(impl_->type_of(name).get()) == H5T_FLOAT;
}

std::string ForeignHdf5::type_name(const std::string& name) const {
  const Handle type = impl_->type_of(name);
  return H5Tget_class(type.get()) == H5T_STRING ? "string" : hdf5::type_name(type.get());
}

void ForeignHdf5::read_float_rows(const std::string& name, int64_t first, int64_t count,
                                  float* out) const {
  impl_->read(name, first, count, H5T_NATIVE_FLOAT, out);
}

StringTable ForeignHdf5::read_keys(const std::string& name) const {
  const auto dims = shape(name);
  const Handle type = impl_->type_of(name);
  const auto kind = H5Tget_class(type.get());
  if (dims.size() != 1 || (kind != H5T_STRING && kind != H5T_INTEGER)) {
    throw DataError({impl_->path, fmt::format("dataset '{}'", name),
                     fmt::format("{} {}", type_name(name), shape_text(dims)),
                     "a one-dimensional dataset of strings or integers", ""});
  }
  StringTable keys;
  if (kind == H5T_INTEGER) {
    impl_->append_integers(name, dims[0], &keys);
  } else if (H5Tis_variable_str(type.get()) > 0) {
    impl_->append_variable(name, dims[0], type.get(), &keys);
  } else {
    impl_->append_fixed(name, dims[0], type.get(), &keys);
  }
  return keys;
}

}  // namespace tutti::data
