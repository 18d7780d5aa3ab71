#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include <ATen/core/Tensor.h>

#include "trainer/models/id_model.h"

namespace tutti::trainer {

// The token states of titles that a frozen encoder has read, so that it reads each title once. Not
// for two threads at a time.
class TitleMemo {
 public:
  // Keeps at most this many values; titles beyond are read anew each time.
  explicit TitleMemo(int64_t max_values = int64_t{1} << 28) : max_values_(max_values) {}

  using Encode = std::function<at::Tensor(const TitleInputs&)>;
  // What encode(titles) gives, [R, width]. `encode` is asked for the titles that are new only, and
  // must give a title the same states whatever stands beside it.
  at::Tensor states(const TitleInputs& titles, const Encode& encode);
  void clear();

 private:
  int64_t max_values_, num_values_ = 0;
  std::unordered_map<std::string, at::Tensor> states_;  // by the bytes of the title's tokens
};

}  // namespace tutti::trainer
