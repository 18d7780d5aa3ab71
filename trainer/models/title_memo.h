#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>

#include <ATen/core/Tensor.h>

#include "trainer/models/id_model.h"

namespace tutti::trainer {

// The token states of titles that a frozen encoder has read, so that it reads each title once. Not
// for two threads at a time.
class TitleMemo {
 public:
  // What the encoder makes of titles, [R, width]. It must give a title the same states whatever
  // stands beside it.
  using Encode = std::function<at::Tensor(const TitleInputs&)>;
  // Keeps at most this many values; titles beyond are read anew each time.
  explicit TitleMemo(Encode encode, int64_t max_values = int64_t{1} << 28)
      : encode_(std::move(encode)), max_values_(max_values) {}

  // The encoder is asked for titles that are not known.
  at::Tensor states(const TitleInputs& titles);
  at::Tensor read(const TitleInputs& titles) const { return encode_(titles); }
  // The states [length, width] of a title, read elsewhere: kept as they are given, without a copy,
  // and not counted. Those that are known already stay.
  void know(std::span<const int32_t> title, const at::Tensor& states);
  void clear();

 private:
  Encode encode_;
  int64_t max_values_, num_values_ = 0;
  std::unordered_map<std::string, at::Tensor> states_;  // by the bytes of the title's tokens
};

}  // namespace tutti::trainer
