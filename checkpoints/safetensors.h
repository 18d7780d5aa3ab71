#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tutti::checkpoints {

// The element types we read and write; names as in the safetensors specification.
enum class TensorType { kF32, kF64, kF16, kBF16, kI8, kU8, kI16, kI32, kI64, kBool };
int64_t size_of(TensorType type);  // bytes
const char* name_of(TensorType type);

// A named tensor, row-major, little-endian. `data` outlives the tensor when it has an owner, else
// it belongs to the caller and must outlive the call it is given to.
struct NamedTensor {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  const void* data = nullptr;
  std::shared_ptr<const void> owner = {};

  int64_t num_elements() const;
  int64_t num_bytes() const { return num_elements() * size_of(type); }
};

// Writes a safetensors file as the reference writer does (tensors by falling element size, then
// name; header padded to 8 bytes) and syncs it. StorageError when it cannot be written whole.
void write_safetensors(const std::filesystem::path& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata);

// A file read strictly (reference: huggingface/safetensors README and tensor.rs): header length,
// UTF-8 JSON, no duplicate names, no holes, no overlaps, sizes that match shape and type, nothing
// behind the last tensor. DataError names file and entry. Mapped read-only: data stays valid while
// the object lives.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  const std::vector<NamedTensor>& tensors() const;         // in file order
  const NamedTensor* find(const std::string& name) const;  // nullptr when absent
  // DataError unless the tensor is there with this type and shape.
  const NamedTensor& require(const std::string& name, TensorType type,
                             std::span<const int64_t> shape) const;
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct Impl;
  explicit SafetensorsFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::checkpoints
