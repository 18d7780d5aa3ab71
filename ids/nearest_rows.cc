#include "ids/nearest_rows.h"

#include <algorithm>
#include <utility>

#include "dist/runtime/errors.h"
#include "ids/row_blocks.h"
#include "ids/vector_ops.h"

namespace tutti::ids {

NearestRows::NearestRows(std::vector<float> queries, int64_t dim, int num_kept, int num_threads)
    : queries_(std::move(queries)),
      dim_(dim),
      num_queries_(std::ssize(queries_) / dim),
      num_kept_(num_kept),
      threads_(num_threads) {
  for (auto& thread : threads_) {
    thread.block.reserve(kRowBlock * dim);
    thread.products.reserve(kRowBlock * num_queries_);
    thread.kept.resize(num_queries_ * num_kept);
    thread.sizes.resize(num_queries_);
  }
}

void NearestRows::add(const float* rows, int64_t first, int64_t count, int thread) {
  TUTTI_CHECK(count <= kRowBlock, "a block of rows at a time");
  auto& [block, products, kept, sizes] = threads_[thread];
  std::fill_n(std::copy_n(rows, count * dim_, block.data()), (kRowBlock - count) * dim_, 0.0F);
  multiply_by_transpose(queries_.data(), num_queries_, block.data(), kRowBlock, dim_,
                        products.data());
  float norms[kRowBlock];
  for (int64_t i = 0; i < count; ++i) {
    norms[i] = static_cast<float>(squared_norm(rows + i * dim_, dim_));
  }
  for (int64_t q = 0; q < num_queries_; ++q) {
    const float* product = products.data() + q * kRowBlock;
    Candidate* heap = &kept[q * num_kept_];
    int32_t& size = sizes[q];
    for (int64_t i = 0; i < count; ++i) {
      // |x - q|^2 less |q|^2, which all rows share.
      const Candidate candidate{norms[i] - 2 * product[i], first + i};
      if (size < num_kept_) {
        heap[size++] = candidate;
        std::push_heap(heap, heap + size);
      } else if (candidate < heap[0]) {
        std::pop_heap(heap, heap + size);
        heap[size - 1] = candidate;
        std::push_heap(heap, heap + size);
      }
    }
  }
}

std::vector<int64_t> NearestRows::candidates(int64_t query) const {
  std::vector<Candidate> all;
  for (const auto& thread : threads_) {
    const Candidate* first = &thread.kept[query * num_kept_];
    all.insert(all.end(), first, first + thread.sizes[query]);
  }
  std::ranges::sort(all, [](const Candidate& a, const Candidate& b) { return a < b; });
  std::vector<int64_t> rows;
  for (const auto& candidate : all) {
    if (std::ssize(rows) < num_kept_) rows.push_back(candidate.row);
  }
  return rows;
}

}  // namespace tutti::ids
