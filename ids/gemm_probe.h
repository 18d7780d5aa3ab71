#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace tutti::ids {

// The machine's matrix product, as a yardstick beside measured speeds: multiply-adds count two.
// Best of several runs of gemm() at 2048 x 512 x 2048, on the threads that ATen is set to; takes
// about 0.2 s. On another device the product is at::mm at 8192 x 4096 x 8192. A figure of this
// moment: neighbours on the machine share the silicon.
double probe_gemm_flops(c10::ScalarType type = c10::kFloat, c10::Device device = c10::kCPU);

}  // namespace tutti::ids
