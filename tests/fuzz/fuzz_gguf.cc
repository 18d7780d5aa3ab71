// GGUF files: header, values, tensors, and every value of small tensors.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "checkpoints/import/gguf.h"
#include "dist/runtime/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const tutti::checkpoints::GgufContent content = tutti::checkpoints::parse_gguf(
        std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    for (const tutti::checkpoints::GgufTensor& tensor : content.tensors) {
      // A tensor's bytes lie in the file, so that its values are at most eight times as many.
      std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
      copy_as_fp32(tensor, values);
    }
  } catch (const tutti::DataError&) {  // a refusal is what most inputs should get
  }
  return 0;
}
