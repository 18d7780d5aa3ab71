#include "ids/gram.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "dist/runtime/errors.h"
#include "ids/fixed_point.h"
#include "ids/matrix.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

int64_t num_factor_blocks(int64_t count) {
  return (count + kFactorBlock - 1) / kFactorBlock;
}

// Block `index` of `rows` [count, dim], zeros behind the last row. Returns its rows.
int64_t copy_factor_block(const float* rows, int64_t count, int64_t dim, int64_t index,
                          AlignedFloats& block) {
  const int64_t first = index * kFactorBlock;
  const int64_t num_rows = std::min(kFactorBlock, count - first);
  std::memcpy(block.data(), rows + first * dim, num_rows * dim * sizeof(float));
  std::fill(block.data() + num_rows * dim, block.data() + kFactorBlock * dim, 0.0F);
  return num_rows;
}

double largest_magnitude(const RowShard& own, Communicator& comm, ThreadPool& pool) {
  std::vector<float> largest(pool.num_threads());
  pool.for_each_block(num_factor_blocks(own.count), [&](int64_t index, int t) {
    const int64_t first = index * kFactorBlock;
    const int64_t num_rows = std::min(kFactorBlock, own.count - first);
    largest[t] = std::max(largest[t], max_abs(own.row(first), num_rows * own.dim));
  });
  double result = *std::ranges::max_element(largest);
  comm.all_reduce(&result, 1, DType::kFloat64, ReduceOp::kMax);
  return result;
}

}  // namespace

std::vector<double> gram_matrix(const RowShard& own, Communicator& comm, ThreadPool& pool) {
  TUTTI_CHECK(own.first % kFactorBlock == 0 || own.count == 0, "shares of whole blocks");
  const int64_t dim = own.dim;
  const double largest = largest_magnitude(own, comm, pool);
  const double scale = fixed_point_scale(own.total, largest * largest);
  struct Thread {
    AlignedFloats block, product;
    std::vector<int64_t> sums;
  };
  std::vector<Thread> threads(pool.num_threads());
  for (auto& thread : threads) {
    thread.block.reserve(kFactorBlock * dim);
    thread.product.reserve(dim * dim);
    thread.sums.resize(dim * dim);
  }
  pool.for_each_block(num_factor_blocks(own.count), [&](int64_t index, int t) {
    auto& [block, product, sums] = threads[t];
    copy_factor_block(own.values, own.count, dim, index, block);
    gram_of_block(block.data(), kFactorBlock, dim, product.data());
    add_fixed_point(product.data(), dim * dim, scale, sums.data());
  });
  auto& total = threads[0].sums;
  for (size_t t = 1; t < threads.size(); ++t) {
    for (int64_t i = 0; i < dim * dim; ++i) total[i] += threads[t].sums[i];
  }
  comm.all_reduce_sum(std::span<int64_t>(total));
  std::vector<double> gram;
  gram.reserve(dim * dim);
  for (int64_t sum : total) gram.push_back(static_cast<double>(sum) / scale);
  return gram;
}

PrincipalAxes principal_axes(const std::vector<double>& gram, int64_t dim, Communicator& comm) {
  PrincipalAxes result;
  result.values.resize(dim);
  result.axes.resize(dim * dim);
  if (comm.is_root()) {
    const auto eigen = eigen_of_symmetric(gram, dim);
    // A Gram matrix has none below zero; rounding has.
    std::ranges::transform(eigen.values, result.values.begin(),
                           [](double value) { return static_cast<float>(std::max(value, 0.0)); });
    std::ranges::transform(eigen.vectors, result.axes.begin(),
                           [](double value) { return static_cast<float>(value); });
  }
  comm.broadcast(result.values.data(), dim * static_cast<int64_t>(sizeof(float)), 0);
  comm.broadcast(result.axes.data(), dim * dim * static_cast<int64_t>(sizeof(float)), 0);
  return result;
}

void rotate_rows(const PrincipalAxes& basis, int64_t count, int64_t dim, float* rows,
                 ThreadPool& pool) {
  AlignedFloats axes(dim * dim);
  std::ranges::copy(basis.axes, axes.data());
  struct Thread {
    AlignedFloats block, rotated;
  };
  std::vector<Thread> threads(pool.num_threads());
  for (auto& thread : threads) {
    thread.block.reserve(kFactorBlock * dim);
    thread.rotated.reserve(kFactorBlock * dim);
  }
  pool.for_each_block(num_factor_blocks(count), [&](int64_t index, int t) {
    auto& [block, rotated] = threads[t];
    const int64_t num_rows = copy_factor_block(rows, count, dim, index, block);
    multiply_by_transpose(block.data(), kFactorBlock, axes.data(), dim, dim, rotated.data());
    std::memcpy(rows + index * kFactorBlock * dim, rotated.data(), num_rows * dim * sizeof(float));
  });
}

}  // namespace tutti::ids
