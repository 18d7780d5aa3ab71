#include "launch/vector_files.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "checkpoints/safetensors.h"
#include "data/hdf5.h"
#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

using checkpoints::NamedTensor;
using checkpoints::SafetensorsFile;
using checkpoints::TensorType;

std::optional<ids::FloatType> float_type(TensorType type) {
  switch (type) {
    case TensorType::kF16:
      return ids::FloatType::kFloat16;
    case TensorType::kBF16:
      return ids::FloatType::kBFloat16;
    case TensorType::kF32:
      return ids::FloatType::kFloat32;
    case TensorType::kF64:
      return ids::FloatType::kFloat64;
    default:
      return std::nullopt;
  }
}

std::string describe(const NamedTensor& tensor) {
  return fmt::format("{} {}", checkpoints::name_of(tensor.type), data::shape_text(tensor.shape));
}

// The file is mapped, so rows are read where they lie.
class SafetensorsVectors final : public ids::VectorFile {
 public:
  SafetensorsVectors(const std::filesystem::path& path, SafetensorsFile file,
                     const NamedTensor& vectors, ids::FloatType type, std::string keys)
      : VectorFile(path.string(), vectors.shape[0], vectors.shape[1]),
        file_(std::move(file)),
        vectors_(vectors),
        type_(type),
        keys_(std::move(keys)) {}

  void read_rows(int64_t first, int64_t count, float* out) override {
    const auto* bytes = static_cast<const std::byte*>(vectors_.data);
    ids::to_float32(type_, bytes + first * dim() * ids::size_of(type_), count * dim(), out);
  }

  std::optional<data::StringTable> read_keys() override {
    const NamedTensor* tensor = file_.find(keys_);
    if (tensor == nullptr) return std::nullopt;
    data::StringTable keys;
    if (tensor->type == TensorType::kU8 && tensor->shape.size() == 2) {
      const auto* bytes = static_cast<const char*>(tensor->data);
      const int64_t width = tensor->shape[1];
      for (int64_t row = 0; row < tensor->shape[0]; ++row) {
        const std::string_view padded(bytes + row * width, static_cast<size_t>(width));
        keys.push_back(padded.substr(0, padded.find_last_not_of('\0') + 1));
      }
    } else if (tensor->type == TensorType::kI64 && tensor->shape.size() == 1) {
      const auto* values = static_cast<const int64_t*>(tensor->data);
      for (int64_t row = 0; row < tensor->shape[0]; ++row) {
        keys.push_back(std::to_string(values[row]));
      }
    } else {
      throw DataError({name(), fmt::format("tensor '{}'", keys_), describe(*tensor),
                       "keys as U8 [rows, width] or I64 [rows]", ""});
    }
    return keys;
  }

 private:
  SafetensorsFile file_;
  NamedTensor vectors_;
  ids::FloatType type_;
  std::string keys_;
};

std::unique_ptr<ids::VectorFile> open_safetensors_vectors(const std::filesystem::path& path,
                                                          const std::string& vectors,
                                                          const std::string& keys) {
  SafetensorsFile file = SafetensorsFile::open(path);
  const NamedTensor* tensor = file.find(vectors);
  if (tensor == nullptr) {
    std::string names;
    for (const NamedTensor& t : file.tensors()) names += (names.empty() ? "" : ", ") + t.name;
    throw DataError({path.string(), "", fmt::format("no tensor '{}'", vectors),
                     names.empty() ? "a file with tensors" : "one of " + names,
                     "name it with --vectors"});
  }
  const auto type = float_type(tensor->type);
  if (!type || tensor->shape.size() != 2) {
    throw DataError({path.string(), fmt::format("tensor '{}'", vectors), describe(*tensor),
                     "a two-dimensional tensor of floats", "name another with --vectors"});
  }
  const NamedTensor found = *tensor;  // its data stays where it is mapped
  return std::make_unique<SafetensorsVectors>(path, std::move(file), found, *type, keys);
}

}  // namespace

std::unique_ptr<ids::VectorFile> open_vector_file(const std::filesystem::path& path,
                                                  const std::string& vectors,
                                                  const std::string& keys) {
  const std::string ending = path.extension().string();
  if (ending == ".npy") return ids::open_npy_vectors(path);
  if (ending == ".safetensors") return open_safetensors_vectors(path, vectors, keys);
  if (ending == ".h5" || ending == ".hdf5") return ids::open_hdf5_vectors(path, vectors, keys);
  throw UsageError(
      {path.string(), "", "the ending '" + ending + "'", ".npy, .safetensors, .h5 or .hdf5", ""});
}

}  // namespace tutti::launch
