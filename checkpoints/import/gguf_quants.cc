#include "checkpoints/import/gguf_quants.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/core.h>

#include "checkpoints/import/hf_weights.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {
namespace {

constexpr int64_t kBlock = 32;  // values of a quantised block

constexpr std::array kBlocks = {
    GgufBlock{GgufType::kF32, "F32", 1, 4},        GgufBlock{GgufType::kF16, "F16", 1, 2},
    GgufBlock{GgufType::kBF16, "BF16", 1, 2},      GgufBlock{GgufType::kQ40, "Q4_0", kBlock, 18},
    GgufBlock{GgufType::kQ41, "Q4_1", kBlock, 20}, GgufBlock{GgufType::kQ80, "Q8_0", kBlock, 34}};

struct OtherType {
  uint32_t type;
  const char* name;
};
constexpr std::array kOthers = {
    OtherType{6, "Q5_0"},     OtherType{7, "Q5_1"},    OtherType{9, "Q8_1"},
    OtherType{10, "Q2_K"},    OtherType{11, "Q3_K"},   OtherType{12, "Q4_K"},
    OtherType{13, "Q5_K"},    OtherType{14, "Q6_K"},   OtherType{15, "Q8_K"},
    OtherType{16, "IQ2_XXS"}, OtherType{17, "IQ2_XS"}, OtherType{18, "IQ3_XXS"},
    OtherType{20, "IQ4_NL"},  OtherType{23, "IQ4_XS"}, OtherType{24, "I8"},
    OtherType{25, "I16"},     OtherType{26, "I32"},    OtherType{27, "I64"},
    OtherType{28, "F64"}};

uint16_t half_at(const char* bytes) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// Low halves of the bytes are the first values of a block, high halves the others.
template <typename Decode>
void decode_nibbles(const char* bytes, float* out, Decode decode) {
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out[i] = decode(byte & 0xf);
    out[i + kBlock / 2] = decode(byte >> 4);
  }
}

void decode_block(GgufType type, const char* bytes, float* out) {
  switch (type) {
    case GgufType::kF32:
      std::memcpy(out, bytes, sizeof(float));
      return;
    case GgufType::kF16:
      *out = from_fp16(half_at(bytes));
      return;
    case GgufType::kBF16:
      *out = from_bf16(half_at(bytes));
      return;
    case GgufType::kQ40: {
      const float scale = from_fp16(half_at(bytes));
      decode_nibbles(bytes + 2, out, [scale](int q) { return scale * static_cast<float>(q - 8); });
      return;
    }
    case GgufType::kQ41: {
      const float scale = from_fp16(half_at(bytes)), offset = from_fp16(half_at(bytes + 2));
      decode_nibbles(bytes + 4, out,
                     [scale, offset](int q) { return scale * static_cast<float>(q) + offset; });
      return;
    }
    case GgufType::kQ80: {
      const float scale = from_fp16(half_at(bytes));
      for (int64_t i = 0; i < kBlock; ++i) {
        out[i] = scale * static_cast<float>(static_cast<signed char>(bytes[2 + i]));
      }
      return;
    }
  }
}

}  // namespace

const GgufBlock* find_block(uint32_t type) {
  const auto* found = std::find_if(kBlocks.begin(), kBlocks.end(), [type](const GgufBlock& block) {
    return static_cast<uint32_t>(block.type) == type;
  });
  return found == kBlocks.end() ? nullptr : found;
}

std::string name_of_other(uint32_t type) {
  for (const OtherType& other : kOthers) {
    if (other.type == type) return other.name;
  }
  return fmt::format("number {}", type);
}

const char* name_of(GgufType type) {
  return find_block(static_cast<uint32_t>(type))->name;
}

int64_t GgufTensor::num_elements() const {
  int64_t n = 1;
  for (const int64_t dim : shape) n *= dim;
  return n;
}

void copy_as_fp32(const GgufTensor& tensor, std::span<float> out) {
  TUTTI_CHECK(std::ssize(out) == tensor.num_elements());
  const GgufBlock& block = *find_block(static_cast<uint32_t>(tensor.type));
  const char* bytes = tensor.data.data();
  for (size_t i = 0; i < out.size(); i += static_cast<size_t>(block.values)) {
    decode_block(tensor.type, bytes, &out[i]);
    bytes += block.bytes;
  }
}

}  // namespace tutti::checkpoints
