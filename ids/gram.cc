#include "ids/gram.h"

#include <span>

#include "ids/fixed_point.h"
#include "ids/matrix.h"
#include "ids/row_blocks.h"
#include "ids/vector_ops.h"

namespace tutti::ids {

std::vector<float> gram_matrix(const float* table, int64_t num_rows, int64_t dim,
                               Communicator& comm, ThreadPool& pool) {
  const auto rows = owned_rows(table, num_rows, dim, comm);
  const double largest = max_abs(rows, comm);
  const double scale = fixed_point_scale(num_rows, largest * largest);
  struct Thread {
    AlignedFloats block, product;
    std::vector<int64_t> sums;
  };
  std::vector<Thread> threads(pool.num_threads());
  for (auto& thread : threads) {
    thread.product.reserve(dim * dim);
    thread.sums.resize(dim * dim);
  }
  pool.for_each_block(num_row_blocks(rows), [&](int64_t index, int t) {
    auto& [block, product, sums] = threads[t];
    copy_block(rows, row_block(rows, index), block);
    gram_of_block(block.data(), kRowBlock, dim, product.data());
    add_fixed_point(product.data(), dim * dim, scale, sums.data());
  });
  auto& total = threads[0].sums;
  for (size_t t = 1; t < threads.size(); ++t) {
    for (int64_t i = 0; i < dim * dim; ++i) total[i] += threads[t].sums[i];
  }
  comm.all_reduce_sum(std::span<int64_t>(total));
  std::vector<float> gram;
  gram.reserve(dim * dim);
  for (int64_t sum : total) gram.push_back(static_cast<float>(static_cast<double>(sum) / scale));
  return gram;
}

}  // namespace tutti::ids
