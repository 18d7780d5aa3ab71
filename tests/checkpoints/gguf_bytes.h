#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace tutti::checkpoints {

// Writes GGUF files byte by byte from the specification (ggml-org/ggml, docs/gguf.md), right ones
// and wrong ones.
class GgufBytes {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;

  template <typename T>
  static std::string number(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string text(const std::string& value) {
    return number<uint64_t>(value.size()) + value;
  }

  void remove(const std::string& key) {
    std::erase_if(pairs_, [&](const std::string& pair) { return pair.starts_with(text(key)); });
  }
  // `bytes`: the type's number and the value.
  GgufBytes& add(const std::string& key, const std::string& bytes) {
    pairs_.push_back(text(key) + bytes);
    return *this;
  }
  GgufBytes& add_u32(const std::string& key, uint32_t value) {
    return add(key, number<uint32_t>(4) + number(value));
  }
  GgufBytes& add_f32(const std::string& key, float value) {
    return add(key, number<uint32_t>(6) + number(value));
  }
  GgufBytes& add_flag(const std::string& key, bool value) {
    return add(key, number<uint32_t>(7) + std::string(1, value ? '\1' : '\0'));
  }
  GgufBytes& add_text(const std::string& key, const std::string& value) {
    return add(key, number<uint32_t>(8) + text(value));
  }
  GgufBytes& add_texts(const std::string& key, const std::vector<std::string>& values) {
    std::string bytes = number<uint32_t>(9) + number<uint32_t>(8) + number<uint64_t>(values.size());
    for (const std::string& value : values) bytes += text(value);
    return add(key, bytes);
  }
  GgufBytes& add_i32s(const std::string& key, const std::vector<int32_t>& values) {
    std::string bytes = number<uint32_t>(9) + number<uint32_t>(5) + number<uint64_t>(values.size());
    for (const int32_t value : values) bytes += number(value);
    return add(key, bytes);
  }

  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;  // fastest first, as in the file
    uint32_t type;
    std::string data;
    int64_t offset = -1;  // -1: where it belongs
  };
  std::vector<Tensor> tensors;
  GgufBytes& add_f32_tensor(const std::string& name, const std::vector<uint64_t>& dims,
                            const std::vector<float>& values) {
    std::string data;
    for (const float value : values) data += number(value);
    tensors.push_back({name, dims, 0, data});
    return *this;
  }

  std::string bytes() const {
    std::string file = "GGUF" + number(version) + number<uint64_t>(tensors.size()) +
                       number<uint64_t>(pairs_.size());
    for (const std::string& pair : pairs_) file += pair;
    std::string data;
    for (const Tensor& tensor : tensors) {
      file += text(tensor.name) + number(static_cast<uint32_t>(tensor.dims.size()));
      for (const uint64_t dim : tensor.dims) file += number(dim);
      file +=
          number(tensor.type) +
          number<uint64_t>(tensor.offset >= 0 ? static_cast<uint64_t>(tensor.offset) : data.size());
      data += tensor.data;
      data.resize((data.size() + alignment - 1) / alignment * alignment);
    }
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data;
  }

 private:
  std::vector<std::string> pairs_;
};

}  // namespace tutti::checkpoints
