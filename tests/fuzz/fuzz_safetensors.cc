// safetensors files: the header's rules, and all bytes that it grants.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "checkpoints/safetensors_header.h"
#include "dist/runtime/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto header = tutti::checkpoints::parse_safetensors_header(
        std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    volatile char sum = 0;
    for (const tutti::checkpoints::NamedTensor& tensor : header.tensors) {
      for (int64_t i = 0; i < tensor.num_bytes(); ++i) {
        sum = static_cast<char>(sum + static_cast<const char*>(tensor.data)[i]);
      }
    }
  } catch (const tutti::DataError&) {  // a refusal is what most inputs should get
  }
  return 0;
}
