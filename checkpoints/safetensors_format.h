#pragma once

#include <array>
#include <cstdint>

#include "checkpoints/safetensors.h"

// What reader and writer of the format share (huggingface/safetensors, safetensors/src/tensor.rs).
namespace tutti::checkpoints {

constexpr int64_t kMaxHeaderBytes = 100'000'000;
constexpr const char* kMetadataKey = "__metadata__";

// Types in the order of the reference's enum: its writer puts the last of them first.
struct TypeInfo {
  TensorType type;
  const char* name;
  int64_t bytes;
};
constexpr std::array<TypeInfo, 10> kTypes{{
    {TensorType::kBool, "BOOL", 1},
    {TensorType::kU8, "U8", 1},
    {TensorType::kI8, "I8", 1},
    {TensorType::kI16, "I16", 2},
    {TensorType::kF16, "F16", 2},
    {TensorType::kBF16, "BF16", 2},
    {TensorType::kI32, "I32", 4},
    {TensorType::kF32, "F32", 4},
    {TensorType::kF64, "F64", 8},
    {TensorType::kI64, "I64", 8},
}};
int file_rank(TensorType type);  // index into kTypes

}  // namespace tutti::checkpoints
