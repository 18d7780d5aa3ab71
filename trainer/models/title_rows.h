#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/fused_ops.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

// The tokens of a batch of titles that are no padding, one title behind the other.
struct TitleRows {
  std::vector<int64_t> tokens, title, position;  // [R]
};
TitleRows title_rows(const TitleInputs& titles);

// Every query attends to all tokens of its title. `title`: of each query; the tokens of title b are
// the rows after those of the titles before. In host memory, as what it is made of.
AttentionLists title_lists(const std::vector<int64_t>& title, const at::Tensor& lengths);

// Lists made in host memory, where the layers compute.
AttentionLists on_device(AttentionLists lists, at::Device device);

}  // namespace tutti::trainer
