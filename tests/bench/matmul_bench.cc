// The yardstick: matrix products per second of this machine, as JSON. Usage: matmul_bench THREADS
#include <cstdio>
#include <cstdlib>

#include <ATen/Parallel.h>

#include "ids/gemm_probe.h"

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (threads < 1) {
    std::fprintf(stderr, "usage: matmul_bench THREADS\n");
    return 2;
  }
  at::set_num_threads(threads);
  std::printf("{\"threads\": %d, \"fp32_gflops\": %.1f, \"bf16_gflops\": %.1f}\n", threads,
              tutti::ids::probe_gemm_flops(at::kFloat) / 1e9,
              tutti::ids::probe_gemm_flops(at::kBFloat16) / 1e9);
}
