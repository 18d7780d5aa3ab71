#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "checkpoints/import/gguf.h"

namespace tutti::checkpoints {

// How a type lies in the file: `values` in `bytes`.
struct GgufBlock {
  GgufType type;
  const char* name;
  int64_t values, bytes;
};
const GgufBlock* find_block(uint32_t type);  // nullptr for a type that is not read
// ggml's name of a type that is not read, or its number.
std::string name_of_other(uint32_t type);

}  // namespace tutti::checkpoints
