#pragma once

#include <span>
#include <vector>

#include "ids/codebooks.h"
#include "ids/matrix.h"
#include "ids/row_source.h"

namespace tutti::ids {

// Vectors as a residual quantizer sees them: scaled as `norm` says, minus the mean, minus the codes
// chosen so far. Computed block by block on every pass (about 1 % of a k-means step at 1024 codes),
// so that no copy of the table is held.
class ResidualRows final : public RowSource {
 public:
  // All arguments outlive this. `mean`: [D], or empty for none.
  ResidualRows(RowSource& rows, NormHandling norm, std::span<const float> mean);
  // Also takes off levels[l].row(codes[row * levels.size() + l]), `codes` [count, levels.size()].
  ResidualRows(RowSource& rows, const Codebooks& codebooks, std::span<const int32_t> codes);

  void for_each_block(ThreadPool& pool, const Work& work) override;
  void gather(std::span<const int64_t> places, float* out) override;

 private:
  void compute(const float* row, int64_t place, float* out) const;

  RowSource& rows_;
  const NormHandling norm_;
  const std::span<const float> mean_;
  const std::span<const Codebook> levels_;
  const std::span<const int32_t> codes_;
};

}  // namespace tutti::ids
