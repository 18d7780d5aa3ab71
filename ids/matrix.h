#pragma once

#include <cstdint>
#include <memory>
#include <vector>

// Matrix products of ids/, all row-major fp32 on the calling thread alone: parallel work is split
// into blocks, one thread a block, so that no result depends on the number of threads. The BLAS
// behind libtorch picks its kernel by shape and alignment: give it equal shapes (zero-padded
// blocks) and AlignedFloats, and a row gives the same bytes wherever its block is computed.
namespace tutti::ids {

// `size` floats, 64-byte aligned, zeros at first.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(int64_t size);

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  float& operator[](int64_t i) { return data_[i]; }
  float operator[](int64_t i) const { return data_[i]; }
  void reserve(int64_t size);  // grows when needed, then without keeping the content

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Free> data_;
  int64_t size_ = 0;
};

// out[m, n] = a[m, k] * b[n, k]^T
void multiply_by_transpose(const float* a, int64_t m, const float* b, int64_t n, int64_t k,
                           float* out);

// out[d, d] = x[n, d]^T * x[n, d], both triangles
void gram_of_block(const float* x, int64_t n, int64_t d, float* out);

// Solves a x = b for symmetric positive definite a [d, d] (lower triangle read, overwritten by its
// Cholesky factor); b becomes x. False when a is not positive definite.
bool solve_positive_definite(float* a, int64_t d, float* b);

// The orthogonal matrix [d, d] nearest to m [d, d]: U V^T of its singular value decomposition.
std::vector<double> nearest_rotation(const std::vector<double>& m, int64_t d);

// Eigenvalues [d], ascending, and eigenvectors [d, d], one a row, of a symmetric matrix [d, d].
struct Eigen {
  std::vector<double> values, vectors;
};
Eigen eigen_of_symmetric(const std::vector<double>& a, int64_t d);

}  // namespace tutti::ids
