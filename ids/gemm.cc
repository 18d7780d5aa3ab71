#include "ids/gemm.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include "dist/runtime/errors.h"

#ifdef TUTTI_ONEDNN
// Exported by libtorch_cpu and called by its own at::mm, but for fp32 only where less than fp32's
// precision is allowed; its header is not installed. The build checks that it links.
namespace at::native {
void mkldnn_matmul(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out, float beta,
                   float alpha);
}
#endif

namespace tutti::ids {
namespace {

// Below this many multiply-adds the call to oneDNN (13 us) costs more than its kernel saves.
constexpr int64_t kSmallProduct = int64_t{1} << 21;
constexpr int64_t kSmallestPiece = 64;

// The length of the first piece of `length`: at most eight sizes an octave, so that lengths that
// differ from step to step (nodes of a batch) meet kernels already compiled. What is shorter than
// kSmallestPiece stays whole.
int64_t piece_of(int64_t length) {
  if (length < kSmallestPiece) return length;
  const auto octave = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(length)));
  const int64_t grain = std::max(octave / 8, kSmallestPiece);
  return length / grain * grain;
}

void multiply_piece(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, float beta) {
#ifdef TUTTI_ONEDNN
  if (a.size(0) * a.size(1) * b.size(1) >= kSmallProduct) {
    at::native::mkldnn_matmul(a, b, out, beta, /*alpha=*/1);
    return;
  }
#endif
  if (beta == 0) {
    at::mm_out(out, a, b);
  } else {
    at::addmm_out(out, out, a, b);
  }
}

// Adds the life of this object to the thread's meter.
class Metered {
 public:
  explicit Metered(double flops) { meter.flops += flops; }
  ~Metered() { meter.seconds += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Metered(const Metered&) = delete;
  Metered& operator=(const Metered&) = delete;

  static thread_local GemmMeter meter;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};
thread_local GemmMeter Metered::meter;

}  // namespace

void gemm(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, float beta) {
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  TUTTI_CHECK(b.size(0) == k && out.size(0) == m && out.size(1) == n, "shapes of a product");
  TUTTI_CHECK(beta == 0 || beta == 1, "a product replaces or adds");
  TUTTI_CHECK(n == 1 || out.stride(1) == 1, "rows of a product are contiguous");
  const Metered metered(2.0 * static_cast<double>(m) * static_cast<double>(k) *
                        static_cast<double>(n));
  const c10::InferenceMode no_autograd;
  if (k == 0) {
    if (beta == 0) out.zero_();
    return;
  }
  if (!gemm_has_onednn() || m * k * n < kSmallProduct) {
    multiply_piece(a, b, out, beta);
    return;
  }
  for (int64_t row = 0; row < m;) {
    const int64_t rows = piece_of(m - row);
    const at::Tensor a_rows = a.narrow(0, row, rows);
    at::Tensor out_rows = out.narrow(0, row, rows);
    for (int64_t first = 0; first < k;) {
      const int64_t depth = piece_of(k - first);
      multiply_piece(a_rows.narrow(1, first, depth), b.narrow(0, first, depth), out_rows,
                     first == 0 ? beta : 1);
      first += depth;
    }
    row += rows;
  }
}

GemmMeter take_gemm_meter() {
  return std::exchange(Metered::meter, {});
}

bool gemm_has_onednn() {
#ifdef TUTTI_ONEDNN
  return true;
#else
  return false;
#endif
}

}  // namespace tutti::ids
