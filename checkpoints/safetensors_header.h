#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoints/safetensors.h"

namespace tutti::checkpoints {

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;  // in file order; data points into the bytes given
};

// Reads and checks the header of a whole safetensors file. Stricter than the reference where that
// costs no honest file: no unknown fields in an entry, no name twice, nothing but spaces behind the
// JSON. DataError names the rule that is broken and the entry that breaks it.
SafetensorsHeader parse_safetensors_header(std::string_view file_bytes, const std::string& path);

}  // namespace tutti::checkpoints
