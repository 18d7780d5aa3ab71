#include "ids/residual_rows.h"

#include <cmath>

#include "dist/runtime/errors.h"
#include "ids/vector_ops.h"

namespace tutti::ids {

ResidualRows::ResidualRows(RowSource& rows, NormHandling norm, std::span<const float> mean)
    : RowSource(rows.extent()), rows_(rows), norm_(norm), mean_(mean) {
  TUTTI_CHECK(mean.empty() || std::ssize(mean) == rows.dim(), "a mean of the rows' dimension");
}

ResidualRows::ResidualRows(RowSource& rows, const Codebooks& codebooks,
                           std::span<const int32_t> codes)
    : RowSource(rows.extent()),
      rows_(rows),
      norm_(codebooks.norm),
      mean_(codebooks.mean),
      levels_(codebooks.levels),
      codes_(codes) {
  TUTTI_CHECK(codebooks.dim() == rows.dim(), "vectors of the codebooks' dimension");
  TUTTI_CHECK(std::ssize(codes) == rows.count() * std::ssize(levels_), "a code a row and level");
}

void ResidualRows::compute(const float* row, int64_t place, float* out) const {
  const int64_t dim = rows_.dim();
  double factor = 1;
  if (norm_ != NormHandling::kRaw) {
    const double length = std::sqrt(squared_norm(row, dim));
    const double divisor = norm_ == NormHandling::kUnit ? length : std::sqrt(length);
    if (divisor > 0) factor = 1 / divisor;  // a row of zeros stays
  }
  scale(row, dim, factor, out);
  if (!mean_.empty()) subtract(mean_.data(), dim, out);
  for (size_t l = 0; l < levels_.size(); ++l) {
    const int32_t code = codes_[static_cast<size_t>(place) * levels_.size() + l];
    subtract(levels_[l].row(code).data(), dim, out);
  }
}

void ResidualRows::for_each_block(ThreadPool& pool, const Work& work) {
  std::vector<AlignedFloats> blocks(static_cast<size_t>(pool.num_threads()));
  for (auto& block : blocks) block.reserve(kRowBlock * dim());
  rows_.for_each_block(pool, [&](const float* rows, const RowBlock& part, int thread) {
    float* block = blocks[static_cast<size_t>(thread)].data();
    for (int64_t i = 0; i < part.count; ++i) {
      compute(rows + i * dim(), part.local + i, block + i * dim());
    }
    work(block, part, thread);
  });
}

void ResidualRows::gather(std::span<const int64_t> places, float* out) {
  rows_.gather(places, out);
  std::vector<float> raw(static_cast<size_t>(dim()));
  for (const int64_t place : places) {
    std::copy_n(out, dim(), raw.data());
    compute(raw.data(), place, out);
    out += dim();
  }
}

}  // namespace tutti::ids
