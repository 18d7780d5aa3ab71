#pragma once

#include <ATen/core/Tensor.h>

namespace tutti::ids {

// out[m, n] += a^T b on the CPU: a [k, m] and b [k, n] bf16, sums and `out` fp32, rows contiguous.
// The gradient of a weight: nothing is rounded between the products and the sum over batches.
// Returns false, and does nothing, where this CPU or libtorch has no such product. Sums have one
// order for any number of threads.
[[nodiscard]] bool add_transposed_product(const at::Tensor& a, const at::Tensor& b,
                                          at::Tensor& out);

}  // namespace tutti::ids
