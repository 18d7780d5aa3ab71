#pragma once

#include <algorithm>
#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>

#include "trainer/models/plain_ops.h"

// What the fused operators share; their loops are in fused_*.cc.
namespace tutti::trainer {

using c10::BFloat16;

// Whether our own loops serve a tensor; plain_ops.h serves the others.
inline bool is_fused(const at::Tensor& t) {
  return t.device().is_cpu() && !plain::Forced::is_on() &&
         (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
}

// Rows a thread takes at least, so that a piece is worth waking it.
inline int64_t rows_per_task(int64_t row_size) {
  constexpr int64_t kElements = 16384;
  return std::max<int64_t>(1, kElements / std::max<int64_t>(row_size, 1));
}

// Calls body(pointer) with the data of a fp32 or bf16 tensor.
template <typename Body>
void with_data(const at::Tensor& t, Body body) {
  if (t.scalar_type() == at::kBFloat16) {
    body(t.const_data_ptr<BFloat16>());
  } else {
    body(t.const_data_ptr<float>());
  }
}
template <typename Body>
void with_output(at::Tensor& t, Body body) {
  if (t.scalar_type() == at::kBFloat16) {
    body(t.mutable_data_ptr<BFloat16>());
  } else {
    body(t.mutable_data_ptr<float>());
  }
}

}  // namespace tutti::trainer
