#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/evaluate/ranker.h"

namespace tutti::trainer {

// The k rows of `rows` [N, D] with the largest inner product with each of `queries` [n, D], best
// first, equal ones by row. Exact: the rows in tiles, one matrix product a tile, of which no score
// is kept but the best. `scale`: [N], what a row's products are multiplied by (empty: 1). On the
// threads that ATen is set to; result[i] holds min(k, N) rows.
std::vector<std::vector<Recommendation>> nearest_rows(const at::Tensor& queries,
                                                      const at::Tensor& rows, int k,
                                                      std::span<const float> scale = {});

}  // namespace tutti::trainer
