#include "ids/gemm.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <optional>
#include <utility>

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include "dist/runtime/errors.h"
#include "ids/tile_gemm.h"

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

// fp32 products of at most so many multiply-adds go by tiles: beyond, oneDNN's own blocking for the
// caches is ahead.
constexpr int64_t kTiledProduct = int64_t{1} << 26;
// Without tiles: below this many multiply-adds the call to oneDNN (13 us) costs more than its
// kernel saves.
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

// What tile_gemm takes; nothing for views whose rows and columns are both apart.
std::optional<MatrixView> view_of(const at::Tensor& t) {
  const auto* const data = t.const_data_ptr<float>();
  if (t.stride(1) == 1 || t.size(1) == 1)
    return MatrixView{data, std::max(t.stride(0), t.size(1)), 1};
  if (t.stride(0) == 1 || t.size(0) == 1)
    return MatrixView{data, 1, std::max(t.stride(1), t.size(0))};
  return std::nullopt;
}

// Whether the product was made by tiles.
bool multiply_tiled(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, bool add) {
  const int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  if (out.scalar_type() != at::kFloat || m * k * n > kTiledProduct || !has_tile_gemm())
    return false;
  const auto left = view_of(a), right = view_of(b);
  if (!left || !right) return false;
  tile_gemm(*left, *right, out.mutable_data_ptr<float>(), std::max(out.stride(0), n), m, k, n, add);
  return true;
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
  if (multiply_tiled(a, b, out, beta == 1)) return;
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
