#include "checkpoints/safetensors.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "checkpoints/file_mapping.h"
#include "checkpoints/safetensors_format.h"
#include "checkpoints/safetensors_header.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

int file_rank(TensorType type) {
  const auto* at = std::find_if(kTypes.begin(), kTypes.end(),
                                [type](const TypeInfo& info) { return info.type == type; });
  TUTTI_CHECK(at != kTypes.end());
  return static_cast<int>(at - kTypes.begin());
}

int64_t size_of(TensorType type) {
  return kTypes[static_cast<size_t>(file_rank(type))].bytes;
}
const char* name_of(TensorType type) {
  return kTypes[static_cast<size_t>(file_rank(type))].name;
}

int64_t NamedTensor::num_elements() const {
  int64_t n = 1;
  for (const int64_t dim : shape) n *= dim;
  return n;
}

struct SafetensorsFile::Impl {
  explicit Impl(const std::filesystem::path& file)
      : path(file), mapping(file, "a safetensors file") {}

  std::filesystem::path path;
  FileMapping mapping;
  std::vector<NamedTensor> tensors;
  std::unordered_map<std::string, size_t> by_name;
  std::map<std::string, std::string> metadata;
  std::vector<std::unique_ptr<std::byte[]>> realigned;
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  auto impl = std::make_unique<Impl>(path);
  SafetensorsHeader header = parse_safetensors_header(impl->mapping.bytes(), path.string());
  impl->metadata = std::move(header.metadata);
  impl->tensors = std::move(header.tensors);
  for (size_t i = 0; i < impl->tensors.size(); ++i) {
    NamedTensor& tensor = impl->tensors[i];
    impl->by_name.emplace(tensor.name, i);
    // The format does not promise alignment (a foreign writer may not pad its header), our readers
    // cast the pointer: such a tensor is copied.
    const auto address = reinterpret_cast<uintptr_t>(tensor.data);
    if (tensor.num_bytes() > 0 && address % static_cast<uintptr_t>(size_of(tensor.type)) != 0) {
      auto copy = std::make_unique<std::byte[]>(static_cast<size_t>(tensor.num_bytes()));
      std::memcpy(copy.get(), tensor.data, static_cast<size_t>(tensor.num_bytes()));
      tensor.data = copy.get();
      impl->realigned.push_back(std::move(copy));
    }
  }
  return SafetensorsFile(std::move(impl));
}

const std::vector<NamedTensor>& SafetensorsFile::tensors() const {
  return impl_->tensors;
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return impl_->metadata;
}

const NamedTensor* SafetensorsFile::find(const std::string& name) const {
  const auto at = impl_->by_name.find(name);
  return at == impl_->by_name.end() ? nullptr : &impl_->tensors[at->second];
}

const NamedTensor& SafetensorsFile::require(const std::string& name, TensorType type,
                                            std::span<const int64_t> shape) const {
  const std::string expected = fmt::format("{} [{}]", name_of(type), fmt::join(shape, ", "));
  const NamedTensor* tensor = find(name);
  std::string found = "no such tensor";
  if (tensor != nullptr) {
    if (tensor->type == type && std::ranges::equal(tensor->shape, shape)) return *tensor;
    found = fmt::format("{} [{}]", name_of(tensor->type), fmt::join(tensor->shape, ", "));
  }
  throw DataError(Problem{.file = impl_->path.string(),
                          .place = fmt::format("tensor '{}'", name),
                          .found = found,
                          .expected = expected,
                          .cure = {}});
}

}  // namespace tutti::checkpoints
