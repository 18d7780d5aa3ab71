#include "checkpoints/import/hf_weights.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

[[noreturn]] void fail_at(const fs::path& file, const std::string& place, const std::string& found,
                          const std::string& expected, const std::string& cure = "") {
  throw DataError(Problem{
      .file = file.string(), .place = place, .found = found, .expected = expected, .cure = cure});
}

std::string place_of(const std::string& tensor) {
  return "tensor '" + tensor + "'";
}

// index.json: tensor -> file.
std::map<std::string, std::string> read_index(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object() || map->empty()) {
    fail_at(path, "field 'weight_map'", "nothing", "an object of tensor and file names");
  }
  std::map<std::string, std::string> index;
  for (const auto& [tensor, file] : map->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || fs::path(name).filename() != name) {
      fail_at(path, place_of(tensor), file.dump(), "the name of a file in the folder");
    }
    index.emplace(tensor, name);
  }
  return index;
}

bool same_bytes(const NamedTensor& a, const NamedTensor& b) {
  return a.type == b.type && a.shape == b.shape &&
         std::memcmp(a.data, b.data, static_cast<size_t>(a.num_bytes())) == 0;
}

template <typename Convert>
void convert_each(const NamedTensor& tensor, std::span<float> out, Convert convert) {
  const auto* values = static_cast<const uint16_t*>(tensor.data);
  for (size_t i = 0; i < out.size(); ++i) out[i] = convert(values[i]);
}

// All files of an index, each opened once; index and files promise the same.
std::vector<SafetensorsFile> open_parts(const fs::path& folder) {
  std::vector<SafetensorsFile> files;
  if (fs::exists(folder / kWeights)) {
    fail_at(folder, kWeights, "a whole file beside an index of parts", "one of them",
            "remove the one that is out of date");
  }
  const std::map<std::string, std::string> index = read_index(folder / kIndex);
  std::map<std::string, size_t> number_of;  // file -> place in files
  for (const auto& [tensor, file] : index) {
    if (number_of.try_emplace(file, files.size()).second) {
      files.push_back(SafetensorsFile::open(folder / file));
    }
    if (files[number_of.at(file)].find(tensor) == nullptr) {
      fail_at(folder / file, place_of(tensor), "no such tensor",
              "the tensor that the index promises");
    }
  }
  for (const auto& [file, number] : number_of) {
    for (const NamedTensor& tensor : files[number].tensors()) {
      const auto promised = index.find(tensor.name);
      if (promised == index.end() || promised->second != file) {
        fail_at(folder / file, place_of(tensor.name),
                "a tensor that the index has elsewhere or not",
                "the tensors that the index promises");
      }
    }
  }
  return files;
}

}  // namespace

// Subnormals are whole multiples of 2^-24.
float from_fp16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16, exponent = bits >> 10 & 0x1fU,
                 fraction = bits & 0x3ffU;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 0x1f ? 0xffU : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

void copy_as_fp32(const NamedTensor& tensor, std::span<float> out) {
  TUTTI_CHECK(std::ssize(out) == tensor.num_elements());
  switch (tensor.type) {
    case TensorType::kF32:
      std::memcpy(out.data(), tensor.data, out.size_bytes());
      return;
    case TensorType::kBF16:
      return convert_each(tensor, out, from_bf16);
    case TensorType::kF16:
      return convert_each(tensor, out, from_fp16);
    default:
      fail_check("a floating-point tensor", name_of(tensor.type));
  }
}

SourceTensor as_source(NamedTensor tensor) {
  SourceTensor source = {.name = tensor.name, .shape = tensor.shape, .copy_as_fp32 = {}};
  source.copy_as_fp32 = [tensor = std::move(tensor)](std::span<float> out) {
    checkpoints::copy_as_fp32(tensor, out);
  };
  return source;
}

HfWeights HfWeights::open(const fs::path& folder) {
  const fs::path index_path = folder / kIndex;
  HfWeights weights;
  weights.path_ = fs::exists(index_path) ? index_path : folder / kWeights;
  if (!fs::exists(index_path)) {
    if (!fs::exists(folder / kWeights)) {
      fail_at(folder, kWeights, "no such file", "safetensors weights, in one file or with an index",
              "convert pytorch_model.bin with transformers: save_pretrained(DIR, "
              "safe_serialization=True)");
    }
    weights.files_.push_back(SafetensorsFile::open(folder / kWeights));
  } else {
    weights.files_ = open_parts(folder);
  }
  for (const SafetensorsFile& file : weights.files_) {
    for (const NamedTensor& tensor : file.tensors()) weights.left_.emplace(tensor.name, &tensor);
  }
  return weights;
}

void HfWeights::fail(const std::string& tensor, const std::string& found,
                     const std::string& expected, const std::string& cure) const {
  fail_at(path_, place_of(tensor), found, expected, cure);
}

NamedTensor HfWeights::take(const TensorShape& expected, const std::string& stored_as) {
  const std::string shape = fmt::format("[{}]", fmt::join(expected.shape, ", "));
  const auto found = left_.find(stored_as);
  if (found == left_.end()) {
    fail(expected.name, "no such tensor", shape,
         "the config describes another model than the weights");
  }
  NamedTensor tensor = *found->second;
  const bool is_float = tensor.type == TensorType::kF32 || tensor.type == TensorType::kBF16 ||
                        tensor.type == TensorType::kF16;
  if (!is_float || tensor.shape != expected.shape) {
    fail(stored_as, fmt::format("{} [{}]", name_of(tensor.type), fmt::join(tensor.shape, ", ")),
         "F32, BF16 or F16 " + shape);
  }
  tensor.name = expected.name;
  left_.erase(found);
  return tensor;
}

void HfWeights::ignore(const std::string& name, const std::string& reason) {
  if (left_.erase(name) != 0) ignored_.push_back({name, reason});
}

bool HfWeights::ignore_copy(const std::string& name, const NamedTensor& other,
                            const std::string& other_name) {
  const auto found = left_.find(name);
  if (found == left_.end() || !same_bytes(*found->second, other)) return false;
  ignore(name, "a copy of " + other_name);
  return true;
}

void HfWeights::finish(const std::string& architecture) const {
  if (left_.empty()) return;
  fail(left_.begin()->first, "a tensor that " + architecture + " of this config does not have",
       "the tensors of that class", "the config describes another model than the weights");
}

std::vector<std::string> HfWeights::names_left() const {
  std::vector<std::string> names;
  names.reserve(left_.size());
  for (const auto& [name, tensor] : left_) names.push_back(name);
  return names;
}

}  // namespace tutti::checkpoints
