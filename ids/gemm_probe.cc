#include "ids/gemm_probe.h"

#include <algorithm>
#include <chrono>

#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>

#include "ids/gemm.h"

namespace tutti::ids {

double probe_gemm_flops(c10::ScalarType type) {
  constexpr int64_t m = 2048, k = 512, n = 2048;
  constexpr int kRuns = 12;
  const at::Tensor a = at::randn({m, k}).to(type), b = at::randn({n, k}).to(type);
  at::Tensor out = at::empty({m, n}, a.options());
  gemm(a, b.t(), out);  // compiles the kernel
  double best_s = 1e9;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    gemm(a, b.t(), out);
    best_s = std::min(
        best_s, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * m * k * n / best_s;
}

}  // namespace tutti::ids
