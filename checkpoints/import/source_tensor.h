#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tutti::checkpoints {

// A tensor of a model to start from, by the name, shape and order of rows that HF transformers
// gives it, whatever the file holds. Row-major.
struct SourceTensor {
  std::string name;
  std::vector<int64_t> shape;
  // Writes all values; `out` has num_elements() places. Valid while the source lives.
  std::function<void(std::span<float> out)> copy_as_fp32;

  int64_t num_elements() const {
    int64_t n = 1;
    for (const int64_t dim : shape) n *= dim;
    return n;
  }
};

// A tensor of the files that nothing was made of, and why.
struct IgnoredTensor {
  std::string name, reason;
};

}  // namespace tutti::checkpoints
