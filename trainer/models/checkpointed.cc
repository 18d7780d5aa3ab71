#include "trainer/models/checkpointed.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

namespace tutti::trainer {
namespace {

using torch::autograd::variable_list;

struct CheckpointedBackward : torch::autograd::Node {
  TensorFunction function;
  std::vector<at::Tensor> inputs;    // detached
  std::vector<bool> needs_gradient;  // by input

  variable_list apply(variable_list&& grads) override {
    std::vector<at::Tensor> leaves;
    for (size_t i = 0; i < inputs.size(); ++i) {
      leaves.push_back(inputs[i].detach());
      leaves.back().set_requires_grad(needs_gradient[i]);
    }
    {
      const c10::AutoGradMode with_grad(true);
      torch::autograd::backward({function(leaves)}, {grads[0]});
    }
    variable_list out;
    for (size_t i = 0; i < leaves.size(); ++i) {
      out.push_back(needs_gradient[i] ? leaves[i].grad() : at::Tensor());
    }
    return out;
  }
  void release_variables() override {
    inputs.clear();
    function = nullptr;
  }
};

}  // namespace

at::Tensor checkpointed(TensorFunction function, const std::vector<at::Tensor>& inputs) {
  // Without an input that needs a gradient the engine would never come here for the parameters'.
  const bool is_recorded = std::any_of(inputs.begin(), inputs.end(),
                                       [](const at::Tensor& t) { return t.requires_grad(); });
  if (!c10::GradMode::is_enabled() || !is_recorded) return function(inputs);
  auto node =
      std::shared_ptr<CheckpointedBackward>(new CheckpointedBackward, torch::autograd::deleteNode);
  torch::autograd::edge_list edges;
  for (const at::Tensor& t : inputs) {
    edges.push_back(t.requires_grad() ? torch::autograd::impl::gradient_edge(t)
                                      : torch::autograd::Edge());
    node->inputs.push_back(t.detach());
    node->needs_gradient.push_back(t.requires_grad());
  }
  node->set_next_edges(std::move(edges));
  at::Tensor out;
  {
    const c10::AutoGradMode no_grad(false);
    out = function(inputs);
  }
  node->function = std::move(function);
  torch::autograd::set_history(out, node);
  return out;
}

}  // namespace tutti::trainer
