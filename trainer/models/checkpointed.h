#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace tutti::trainer {

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

// function(inputs), of which only the inputs are kept for the backward pass, where the function is
// run again (activation checkpointing, Chen et al. 2016). It must compute the same both times. What
// it holds besides `inputs` outlives the backward pass; of that only parameters get gradients.
at::Tensor checkpointed(TensorFunction function, const std::vector<at::Tensor>& inputs);

}  // namespace tutti::trainer
