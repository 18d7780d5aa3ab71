#include "ids/matrix.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include "ids/gemm.h"
#include "ids/vectorize.h"

namespace tutti::ids {
namespace {

// at::set_num_threads speaks for the calling thread (OpenMP, MKL) and for threads that have made no
// ATen call yet; so each product sets its own thread, and puts back what it found.
class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) {
    if (before_ != 1) at::set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) at::set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

at::Tensor view_of(const float* data, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<float*>(data), {rows, columns}, at::kFloat);
}

}  // namespace

AlignedFloats::AlignedFloats(int64_t size) {
  reserve(size);
}

void AlignedFloats::reserve(int64_t size) {
  if (size <= size_) return;
  const size_t num_bytes = (static_cast<size_t>(size) * sizeof(float) + 63) / 64 * 64;
  data_.reset(static_cast<float*>(std::aligned_alloc(64, num_bytes)));
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, num_bytes);
  size_ = size;
}

void AlignedFloats::Free::operator()(float* p) const {
  std::free(p);
}

void multiply_by_transpose(const float* a, int64_t m, const float* b, int64_t n, int64_t k,
                           float* out) {
  const OneThread one_thread;
  const c10::InferenceMode no_autograd;
  auto result = view_of(out, m, n);
  gemm(view_of(a, m, k), view_of(b, n, k).t(), result);
}

void gram_of_block(const float* x, int64_t n, int64_t d, float* out) {
  const OneThread one_thread;
  const c10::InferenceMode no_autograd;
  auto result = view_of(out, d, d);
  const auto rows = view_of(x, n, d);
  gemm(rows.t(), rows, result);
}

std::vector<double> nearest_rotation(const std::vector<double>& m, int64_t d) {
  const OneThread one_thread;
  const c10::InferenceMode no_autograd;
  const auto matrix = at::from_blob(const_cast<double*>(m.data()), {d, d}, at::kDouble).clone();
  const auto [u, s, vh] = at::linalg_svd(matrix);
  const auto rotation = at::mm(u, vh).contiguous();
  const auto* first = rotation.const_data_ptr<double>();
  return {first, first + d * d};
}

Eigen eigen_of_symmetric(const std::vector<double>& a, int64_t d) {
  const OneThread one_thread;
  const c10::InferenceMode no_autograd;
  // A copy: LAPACK picks its kernels by alignment too, and a tensor of its own is aligned.
  const auto matrix = at::from_blob(const_cast<double*>(a.data()), {d, d}, at::kDouble).clone();
  const auto [values, columns] = at::linalg_eigh(matrix);
  const auto vectors = columns.t().contiguous();
  const auto* first = vectors.const_data_ptr<double>();
  const auto* value = values.const_data_ptr<double>();
  return {{value, value + d}, {first, first + d * d}};
}

TUTTI_VECTORIZED
bool solve_positive_definite(float* a, int64_t d, float* b) {
  // Right-looking: after step k, column k of L stands below the diagonal and, as its transpose, in
  // row k of the upper triangle, so that every inner loop runs along a row.
  for (int64_t k = 0; k < d; ++k) {
    float* row_k = a + k * d;
    for (int64_t i = k + 1; i < d; ++i) row_k[i] = a[i * d + k];
    const float pivot = row_k[k];
    if (!(pivot > 0)) return false;
    const float inverse = 1 / std::sqrt(pivot);
    for (int64_t i = k; i < d; ++i) row_k[i] *= inverse;
    for (int64_t i = k + 1; i < d; ++i) {
      float* row_i = a + i * d;
      const float factor = row_k[i];
      for (int64_t j = k + 1; j <= i; ++j) row_i[j] -= factor * row_k[j];
    }
  }
  // Row k of `a` from the diagonal on is row k of U = L^T.
  for (int64_t k = 0; k < d; ++k) {
    const float* row_k = a + k * d;
    b[k] /= row_k[k];
    const float factor = b[k];
    for (int64_t j = k + 1; j < d; ++j) b[j] -= factor * row_k[j];
  }
  for (int64_t k = d - 1; k >= 0; --k) {
    const float* row_k = a + k * d;
    float sum = b[k];
    for (int64_t j = k + 1; j < d; ++j) sum -= row_k[j] * b[j];
    b[k] = sum / row_k[k];
  }
  return true;
}

}  // namespace tutti::ids
