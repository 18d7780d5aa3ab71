#pragma once

#include <ATen/core/Tensor.h>

namespace tutti::ids {

// out[m, n] = a[m, k] * b[k, n] + beta * out, on the CPU, fp32 or bf16 (all three alike), without
// autograd, on the threads that ATen is set to. `a` and `b` may be transposed views; rows of `out`
// are contiguous. `beta` is 0 or 1.
//
// libtorch brings two libraries: MKL, behind at::mm, which takes its slow path on CPUs that are not
// Intel's, and oneDNN, which compiles a kernel for each shape (about 0.5 ms). So products worth it
// go to oneDNN, cut into pieces of few distinct sizes along m and k. The choice depends on the
// shape alone: equal shapes give equal bytes in every run.
void gemm(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, float beta = 0);

// Time and multiply-adds (which count two) of the products that this thread called since it last
// asked.
struct GemmMeter {
  double seconds = 0, flops = 0;
};
GemmMeter take_gemm_meter();

// Whether this build reaches oneDNN; without it every product is at::mm.
bool gemm_has_onednn();

}  // namespace tutti::ids
