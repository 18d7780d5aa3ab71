#include "checkpoints/import/hf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/hf_config.h"
#include "checkpoints/t5_tensors.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

[[noreturn]] void fail(const fs::path& file, const std::string& place, const std::string& found,
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
    fail(path, "field 'weight_map'", "nothing", "an object of tensor and file names");
  }
  std::map<std::string, std::string> index;
  for (const auto& [tensor, file] : map->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || fs::path(name).filename() != name) {
      fail(path, place_of(tensor), file.dump(), "the name of a file in the folder");
    }
    index.emplace(tensor, name);
  }
  return index;
}

bool same_bytes(const NamedTensor& a, const NamedTensor& b) {
  return a.type == b.type && a.shape == b.shape &&
         std::memcmp(a.data, b.data, static_cast<size_t>(a.num_bytes())) == 0;
}

// IEEE half precision. Subnormals are whole multiples of 2^-24.
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

template <typename Convert>
void convert_each(const NamedTensor& tensor, std::span<float> out, Convert convert) {
  const auto* values = static_cast<const uint16_t*>(tensor.data);
  for (size_t i = 0; i < out.size(); ++i) out[i] = convert(values[i]);
}

// Why a tensor that is not part of the model may be there.
struct KnownExtra {
  const char* name;
  const char* reason;
};
constexpr KnownExtra kUnused = {
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
    "cross-attention has no position bias"};

}  // namespace

void copy_as_fp32(const NamedTensor& tensor, std::span<float> out) {
  TUTTI_CHECK(std::ssize(out) == tensor.num_elements());
  switch (tensor.type) {
    case TensorType::kF32:
      std::memcpy(out.data(), tensor.data, out.size_bytes());
      return;
    case TensorType::kBF16:
      return convert_each(tensor, out, [](uint16_t bits) {
        return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
      });
    case TensorType::kF16:
      return convert_each(tensor, out, from_fp16);
    default:
      fail_check("a floating-point tensor", name_of(tensor.type));
  }
}

HfT5 HfT5::open(const fs::path& folder) {
  HfT5 model;
  model.folder_ = folder;
  model.read_config();
  model.open_files();
  model.take_tensors();
  if (!fs::exists(model.vocabulary_path())) {
    fail(folder, "spiece.model", "no such file",
         "the SentencePiece model of its tokenizer (tokenizer.json does not replace it)",
         "copy spiece.model from where the model came from, or save it with transformers' "
         "T5Tokenizer");
  }
  return model;
}

void HfT5::read_config() {
  const HfT5Config read = read_hf_t5_config(folder_ / "config.json");
  config_ = read.shape;
  tied_by_flag_ = read.shape.tie_word_embeddings;
  head_may_differ_ = read.tells_scale_apart;
}

void HfT5::open_files() {
  const fs::path index_path = folder_ / kIndex;
  if (!fs::exists(index_path)) {
    if (!fs::exists(folder_ / kWeights)) {
      fail(folder_, kWeights, "no such file", "safetensors weights, in one file or with an index",
           "convert pytorch_model.bin with transformers: save_pretrained(DIR, "
           "safe_serialization=True)");
    }
    files_.push_back(SafetensorsFile::open(folder_ / kWeights));
    return;
  }
  if (fs::exists(folder_ / kWeights)) {
    fail(folder_, kWeights, "a whole file beside an index of parts", "one of them",
         "remove the one that is out of date");
  }
  const std::map<std::string, std::string> index = read_index(index_path);
  std::map<std::string, size_t> number_of;  // file -> place in files_
  for (const auto& [tensor, file] : index) {
    if (number_of.try_emplace(file, files_.size()).second) {
      files_.push_back(SafetensorsFile::open(folder_ / file));
    }
    if (files_[number_of.at(file)].find(tensor) == nullptr) {
      fail(folder_ / file, place_of(tensor), "no such tensor",
           "the tensor that the index promises");
    }
  }
  for (const auto& [file, number] : number_of) {
    for (const NamedTensor& tensor : files_[number].tensors()) {
      const auto promised = index.find(tensor.name);
      if (promised == index.end() || promised->second != file) {
        fail(folder_ / file, place_of(tensor.name), "a tensor that the index has elsewhere or not",
             "the tensors that the index promises");
      }
    }
  }
}

void HfT5::take_tensors() {
  const fs::path weights = folder_ / (fs::exists(folder_ / kIndex) ? kIndex : kWeights);
  std::map<std::string, const NamedTensor*> left;  // not yet accounted for
  for (const SafetensorsFile& file : files_) {
    for (const NamedTensor& tensor : file.tensors()) left.emplace(tensor.name, &tensor);
  }
  const auto take = [&](const TensorShape& expected, const std::string& stored_as) {
    const std::string shape = fmt::format("[{}]", fmt::join(expected.shape, ", "));
    const auto found = left.find(stored_as);
    if (found == left.end()) {
      fail(weights, place_of(expected.name), "no such tensor", shape,
           "the config describes another model than the weights");
    }
    const NamedTensor& tensor = *found->second;
    const bool is_float = tensor.type == TensorType::kF32 || tensor.type == TensorType::kBF16 ||
                          tensor.type == TensorType::kF16;
    if (!is_float || tensor.shape != expected.shape) {
      fail(weights, place_of(stored_as),
           fmt::format("{} [{}]", name_of(tensor.type), fmt::join(tensor.shape, ", ")),
           "F32, BF16 or F16 " + shape);
    }
    tensors_.push_back(tensor);
    tensors_.back().name = expected.name;
    left.erase(found);
  };

  // One matrix under up to three names: writers differ in which of them they keep.
  const std::vector<int64_t> rows = {config_.text_rows, config_.d_model};
  std::string shared = "shared.weight";
  for (const char* copy : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    if (!left.contains(shared) && left.contains(copy)) shared = copy;
  }
  take({"shared.weight", rows}, shared);
  const NamedTensor embedding = tensors_.front();
  const auto is_copy = [&](const char* name) {
    const auto found = left.find(name);
    if (found == left.end() || !same_bytes(*found->second, embedding)) return false;
    ignored_.push_back({name, "a copy of " + shared});
    left.erase(found);
    return true;
  };
  for (const char* copy : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
    if (!is_copy(copy) && left.contains(copy)) {
      fail(weights, place_of(copy), "other values than in " + shared,
           "one embedding for encoder and decoder");
    }
  }

  for (const TensorShape& expected : t5_block_tensors(config_)) take(expected, expected.name);

  constexpr const char* kHead = "lm_head.weight";
  if (tied_by_flag_ && !is_copy(kHead) && left.contains(kHead) && !head_may_differ_) {
    fail(weights, place_of(kHead), "other values than in " + shared,
         "a shared head, as tie_word_embeddings in config.json says",
         "set it to false if the head is a matrix of its own (T5 v1.1, Flan-T5)");
  }
  config_.text_head = !tied_by_flag_ || left.contains(kHead);
  config_.tie_word_embeddings = !config_.text_head;
  if (config_.text_head) take({kHead, rows}, kHead);

  if (const auto unused = left.find(kUnused.name); unused != left.end()) {
    ignored_.push_back({unused->first, kUnused.reason});
    left.erase(unused);
  }
  if (!left.empty()) {
    fail(weights, place_of(left.begin()->first), "a tensor that T5 of this config does not have",
         "the tensors of a T5ForConditionalGeneration",
         "the config describes another model than the weights");
  }
}

}  // namespace tutti::checkpoints
