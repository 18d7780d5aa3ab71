#include "data/hdf5.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "data/hdf5_detail.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

using hdf5::cure_of;
using hdf5::dataset_layout;
using hdf5::file_type;
using hdf5::Handle;
using hdf5::property_list;
using hdf5::reason;

constexpr size_t kChunkCacheBytes = 16 << 20;  // a window of 8192 playlists fits (about 2 MiB)
constexpr size_t kChunkCacheSlots = 1009;      // prime, well above the number of cached chunks

}  // namespace

struct Hdf5File::Impl {
  std::string path;
  bool writing = false;
  Handle file;
  // Closed before `file`. Datasets stay open: opening one costs more than a short read, and its
  // chunk cache goes with it.
  mutable std::map<std::string, Handle> datasets;

  std::string place(const std::string& name) const { return fmt::format("dataset '{}'", name); }

  [[noreturn]] void fail_write(const std::string& where) const {
    const std::string why = reason();
    throw StorageError({path, where, "write failed: " + why, "", "check space and permissions"});
  }
  [[noreturn]] void fail_read(const std::string& where, const std::string& what) const {
    const std::string why = reason();
    throw DataError({path, where, fmt::format("{} ({})", what, why), "", cure_of(why)});
  }

  // The groups on the way to `name`. (H5Pset_create_intermediate_group would stamp them with the
  // time.)
  void make_groups(const std::string& name) {
    const Handle properties = property_list(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(properties.get(), false);
    for (size_t end = name.find('/'); end != std::string::npos; end = name.find('/', end + 1)) {
      const std::string group = name.substr(0, end);
      if (H5Lexists(file.get(), group.c_str(), H5P_DEFAULT) > 0) continue;
      const Handle made(
          H5Gcreate2(file.get(), group.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
          H5Gclose);
      if (!made.ok()) fail_write(fmt::format("group '{}'", group));
    }
  }

  hid_t create_dataset(const std::string& name, hid_t type, std::span<const hsize_t> dims,
                       Storage storage, bool extendable) {
    make_groups(name);
    const Handle layout = dataset_layout(dims, H5Tget_size(type), storage, extendable);
    hsize_t most[2] = {extendable ? H5S_UNLIMITED : dims[0], dims.size() == 2 ? dims[1] : 0};
    const Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), most),
                       H5Sclose);
    Handle dataset(H5Dcreate2(file.get(), name.c_str(), type, space.get(), H5P_DEFAULT,
                              layout.get(), H5P_DEFAULT),
                   H5Dclose);
    if (!dataset.ok()) fail_write(place(name));
    return datasets.insert_or_assign(name, std::move(dataset)).first->second.get();
  }

  hid_t open_dataset(const std::string& name) const {
    if (const auto found = datasets.find(name); found != datasets.end()) return found->second.get();
    const Handle access = property_list(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(access.get(), kChunkCacheSlots, kChunkCacheBytes, 0.75);
    Handle dataset(H5Dopen2(file.get(), name.c_str(), access.get()), H5Dclose);
    if (!dataset.ok()) fail_read(place(name), "cannot be opened");
    return datasets.emplace(name, std::move(dataset)).first->second.get();
  }

  std::vector<int64_t> shape_of(hid_t dataset, const std::string& name) const {
    const Handle space(H5Dget_space(dataset), H5Sclose);
    const int rank = H5Sget_simple_extent_ndims(space.get());
    if (rank < 1 || rank > 2) {
      throw DataError(
          {path, place(name), fmt::format("{} dimensions", rank), "one or two dimensions", ""});
    }
    hsize_t dims[2] = {0, 0};
    H5Sget_simple_extent_dims(space.get(), dims, nullptr);
    return {dims, dims + rank};
  }

  template <typename T>
  void check_type(hid_t dataset, const std::string& name) const {
    const Handle type(H5Dget_type(dataset), H5Tclose);
    if (H5Tequal(type.get(), file_type<T>()) > 0) return;
    throw DataError({path, place(name), hdf5::type_name(type.get()) + " elements",
                     hdf5::type_name(file_type<T>()), ""});
  }
};

Hdf5File::Hdf5File(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;
Hdf5File& Hdf5File::operator=(Hdf5File&&) noexcept = default;

Hdf5File Hdf5File::create(const std::filesystem::path& path) {
  hdf5::init_library();
  auto impl = std::make_unique<Impl>();
  impl->path = path.string();
  impl->writing = true;
  const Handle access = property_list(H5P_FILE_ACCESS);
  // This format checksums its metadata, and a file whose writer died does not open.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
  const Handle creation = property_list(H5P_FILE_CREATE);
  H5Pset_obj_track_times(creation.get(), false);
  impl->file =
      Handle(H5Fcreate(impl->path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
  if (!impl->file.ok()) impl->fail_write("");
  return Hdf5File(std::move(impl));
}

Hdf5File Hdf5File::open(const std::filesystem::path& path) {
  hdf5::init_library();
  auto impl = std::make_unique<Impl>();
  impl->path = path.string();
  if (!std::filesystem::exists(path)) {
    throw DataError({impl->path, "", "no such file", "an HDF5 file", ""});
  }
  impl->file = Handle(H5Fopen(impl->path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!impl->file.ok()) impl->fail_read("", "not a readable HDF5 file");
  return Hdf5File(std::move(impl));
}

void Hdf5File::close() {
  bool failed = false;
  for (auto& [name, dataset] : impl_->datasets) failed |= dataset.close() < 0;
  impl_->datasets.clear();
  if (impl_->writing && impl_->file.ok()) {
    if (failed || H5Fflush(impl_->file.get(), H5F_SCOPE_LOCAL) < 0) impl_->fail_write("");
  }
  if (impl_->file.close() < 0 && impl_->writing) impl_->fail_write("");
}

template <typename T>
void Hdf5File::write(const std::string& name, std::span<const T> values, Storage storage) {
  const hsize_t dims[1] = {values.size()};
  const hid_t dataset = impl_->create_dataset(name, file_type<T>(), dims, storage, false);
  if (values.empty()) return;
  if (H5Dwrite(dataset, file_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    impl_->fail_write(impl_->place(name));
  }
}

template <typename T>
void Hdf5File::write_matrix(const std::string& name, std::span<const T> values, int64_t columns,
                            Storage storage) {
  TUTTI_CHECK(columns > 0 && std::ssize(values) % columns == 0);
  const hsize_t dims[2] = {values.size() / static_cast<size_t>(columns),
                           static_cast<hsize_t>(columns)};
  const hid_t dataset = impl_->create_dataset(name, file_type<T>(), dims, storage, false);
  if (values.empty()) return;
  if (H5Dwrite(dataset, file_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    impl_->fail_write(impl_->place(name));
  }
}

void Hdf5File::write_strings(const std::string& name, const StringTable& strings) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(strings.bytes.data());
  write(name + "/bytes", std::span(bytes, strings.bytes.size()));
  write(name + "/offsets", std::span(strings.offsets));
}

template <typename T>
void Hdf5File::append(const std::string& name, std::span<const T> values, int64_t columns,
                      Storage storage) {
  const hsize_t width = columns == 0 ? 1 : static_cast<hsize_t>(columns);
  TUTTI_CHECK(values.size() % width == 0);
  const int rank = columns == 0 ? 1 : 2;
  if (!has(name)) {
    const hsize_t none[2] = {0, width};
    impl_->create_dataset(name, file_type<T>(), std::span(none, rank), storage, true);
  }
  const hid_t dataset = impl_->open_dataset(name);
  const std::vector<int64_t> old = impl_->shape_of(dataset, name);
  const hsize_t first[2] = {static_cast<hsize_t>(old[0]), 0};
  const hsize_t count[2] = {values.size() / width, width};
  const hsize_t grown[2] = {first[0] + count[0], width};
  if (count[0] == 0) return;
  if (H5Dset_extent(dataset, grown) < 0) impl_->fail_write(impl_->place(name));
  const Handle memory(H5Screate_simple(rank, count, nullptr), H5Sclose);
  const Handle space(H5Dget_space(dataset), H5Sclose);
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, first, nullptr, count, nullptr);
  if (H5Dwrite(dataset, file_type<T>(), memory.get(), space.get(), H5P_DEFAULT, values.data()) <
      0) {
    impl_->fail_write(impl_->place(name));
  }
}

bool Hdf5File::has(const std::string& name) const {
  // H5Lexists wants every group on the way to exist.
  for (size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    if (H5Lexists(impl_->file.get(), name.substr(0, end).c_str(), H5P_DEFAULT) <= 0) {
      H5Eclear2(H5E_DEFAULT);
      return false;
    }
    if (end == std::string::npos) return true;
  }
}

std::vector<int64_t> Hdf5File::shape(const std::string& name) const {
  return impl_->shape_of(impl_->open_dataset(name), name);
}

template <typename T>
std::vector<T> Hdf5File::read(const std::string& name) const {
  const std::vector<int64_t> dims = shape(name);
  std::vector<T> values(static_cast<size_t>(dims[0] * (dims.size() == 2 ? dims[1] : 1)));
  read_rows(name, 0, dims[0], values.data());
  return values;
}

template <typename T>
void Hdf5File::read_rows(const std::string& name, int64_t first, int64_t count, T* out) const {
  hdf5::silence_thread();  // rows are read ahead by threads of their own
  const hid_t dataset = impl_->open_dataset(name);
  impl_->check_type<T>(dataset, name);
  const std::vector<int64_t> dims = impl_->shape_of(dataset, name);
  if (first < 0 || count < 0 || first + count > dims[0]) {
    throw DataError({impl_->path, impl_->place(name), "shape " + shape_text(dims),
                     fmt::format("at least {} rows", first + count), ""});
  }
  if (count == 0 || (dims.size() == 2 && dims[1] == 0)) return;
  const hsize_t begin[2] = {static_cast<hsize_t>(first), 0};
  const hsize_t size[2] = {static_cast<hsize_t>(count),
                           dims.size() == 2 ? static_cast<hsize_t>(dims[1]) : 1};
  const Handle memory(H5Screate_simple(static_cast<int>(dims.size()), size, nullptr), H5Sclose);
  const Handle space(H5Dget_space(dataset), H5Sclose);
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, begin, nullptr, size, nullptr);
  if (H5Dread(dataset, file_type<T>(), memory.get(), space.get(), H5P_DEFAULT, out) < 0) {
    impl_->fail_read(fmt::format("{}, rows {} to {}", impl_->place(name), first, first + count),
                     "damaged");
  }
}

StringTable Hdf5File::read_strings(const std::string& name) const {
  StringTable strings;
  strings.offsets = read<int64_t>(name + "/offsets");
  const std::vector<int64_t> dims = shape(name + "/bytes");
  strings.bytes.resize(static_cast<size_t>(dims[0]));
  read_rows(name + "/bytes", 0, dims[0], reinterpret_cast<uint8_t*>(strings.bytes.data()));
  check_offsets(strings.offsets, dims[0], impl_->path, name + "/offsets");
  return strings;
}

namespace {

Handle make_attribute(hid_t file, const std::string& name, hid_t type) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  return Handle(H5Acreate2(file, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                H5Aclose);
}

std::string attribute_place(const std::string& name) {
  return fmt::format("attribute '{}'", name);
}

}  // namespace

void Hdf5File::set_attribute(const std::string& name, int64_t value) {
  const Handle attribute = make_attribute(impl_->file.get(), name, H5T_STD_I64LE);
  if (!attribute.ok() || H5Awrite(attribute.get(), H5T_NATIVE_INT64, &value) < 0) {
    impl_->fail_write(attribute_place(name));
  }
}

void Hdf5File::set_attribute(const std::string& name, const std::string& value) {
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), value.size() + 1);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  const Handle attribute = make_attribute(impl_->file.get(), name, type.get());
  if (!attribute.ok() || H5Awrite(attribute.get(), type.get(), value.c_str()) < 0) {
    impl_->fail_write(attribute_place(name));
  }
}

int64_t Hdf5File::int64_attribute(const std::string& name) const {
  const Handle attribute(H5Aopen(impl_->file.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle type(attribute.ok() ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  int64_t value = 0;
  if (!type.ok() || H5Tequal(type.get(), H5T_STD_I64LE) <= 0 ||
      H5Aread(attribute.get(), H5T_NATIVE_INT64, &value) < 0) {
    impl_->fail_read(attribute_place(name), "missing or no integer");
  }
  return value;
}

std::string Hdf5File::string_attribute(const std::string& name) const {
  const Handle attribute(H5Aopen(impl_->file.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle type(attribute.ok() ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  if (!type.ok() || H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) {
    impl_->fail_read(attribute_place(name), "missing or no string");
  }
  std::string value(H5Tget_size(type.get()), '\0');
  if (H5Aread(attribute.get(), type.get(), value.data()) < 0) {
    impl_->fail_read(attribute_place(name), "damaged");
  }
  value.resize(value.find_last_not_of('\0') + 1);
  return value;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

void check_offsets(const std::vector<int64_t>& offsets, int64_t num_values, const std::string& file,
                   const std::string& place) {
  const std::string where = fmt::format("dataset '{}'", place);
  if (offsets.empty() || offsets.front() != 0) {
    throw DataError({file, where, offsets.empty() ? "no rows" : "another first value",
                     "offsets that start at 0", ""});
  }
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1]) {
      throw DataError({file, fmt::format("{}, row {}", where, i),
                       fmt::format("{} after {}", offsets[i], offsets[i - 1]),
                       "offsets that never fall", ""});
    }
  }
  if (offsets.back() != num_values) {
    throw DataError({file, where, fmt::format("last offset {}", offsets.back()),
                     std::to_string(num_values), ""});
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type
#define TUTTI_HDF5_TYPE(T)                                                                     \
  template void Hdf5File::write<T>(const std::string&, std::span<const T>, Storage);           \
  template void Hdf5File::write_matrix<T>(const std::string&, std::span<const T>, int64_t,     \
                                          Storage);                                            \
  template void Hdf5File::append<T>(const std::string&, std::span<const T>, int64_t, Storage); \
  template std::vector<T> Hdf5File::read<T>(const std::string&) const;                         \
  template void Hdf5File::read_rows<T>(const std::string&, int64_t, int64_t, T*) const;
TUTTI_HDF5_TYPE(uint8_t)
TUTTI_HDF5_TYPE(int32_t)
TUTTI_HDF5_TYPE(int64_t)
TUTTI_HDF5_TYPE(float)
TUTTI_HDF5_TYPE(double)
#undef TUTTI_HDF5_TYPE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace tutti::data
