#include "trainer/models/linear.h"

#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include "dist/runtime/errors.h"
#include "ids/gemm.h"
#include "ids/tile_gemm.h"
#include "ids/vectorize.h"
#include "trainer/models/adapters.h"
#include "trainer/models/few_rows.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/vector_math.h"

namespace tutti::trainer {
namespace {

using torch::autograd::Edge;
using torch::autograd::edge_list;
using torch::autograd::Node;
using torch::autograd::variable_list;

// out = a b + beta * out
void multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& out, float beta) {
  if (is_fused(out)) {
    ids::gemm(a, b, out, beta);
  } else if (beta == 0) {
    at::mm_out(out, a, b);
  } else {
    at::addmm_out(out, out, a, b);
  }
}

// With fewer rows oneDNN takes up to three times as long for x w^T as for w x^T: a right side that
// is transposed it lays out anew, which costs as much as the arithmetic of some sixty rows.
constexpr int64_t kManyRows = 128;
// Of fewer weights tile_gemm makes x w^T as it stands in less time than it takes to turn a result.
constexpr int64_t kManyWeights = int64_t{1} << 18;
// Numbers of columns are rounded up to these: oneDNN compiles a kernel for each.
constexpr int64_t kColumnGrain = 16;

// out = x w^T + beta * out as (w x^T)^T: the weights stay as they lie, what is laid out anew is x.
void multiply_weight_first(const at::Tensor& x, const at::Tensor& w, at::Tensor& out, float beta) {
  const int64_t rows = x.size(0);
  const int64_t padded = (rows + kColumnGrain - 1) / kColumnGrain * kColumnGrain;
  at::Tensor right = x;
  if (padded != rows) {
    right = at::empty({padded, x.size(1)}, x.options());
    right.narrow(0, 0, rows).copy_(x);
    right.narrow(0, rows, padded - rows).zero_();
  }
  at::Tensor turned = at::empty({w.size(0), padded}, x.options());
  ids::gemm(w, right.t(), turned);
  const at::Tensor result = turned.narrow(1, 0, rows).t();
  beta == 0 ? out.copy_(result) : out.add_(result);
}

// out = x w^T + beta * out
void multiply_by_weight(const at::Tensor& x, const at::Tensor& w, at::Tensor& out, float beta) {
  if (x.scalar_type() != at::kFloat || !is_fused(out) || !x.is_contiguous() || !w.is_contiguous()) {
    multiply(x, w.t(), out, beta);
    return;
  }
  const bool turns = w.numel() >= kManyWeights || !ids::has_tile_gemm();
  const int64_t rows = x.size(0);
  const int64_t rest = turns || is_few_rows(rows, w.numel()) ? rows % kManyRows : 0;
  const int64_t many = rows - rest;
  if (many > 0) {
    at::Tensor of_many = out.narrow(0, 0, many);
    multiply(x.narrow(0, 0, many), w.t(), of_many, beta);
  }
  if (rest == 0) return;
  const at::Tensor x_rest = x.narrow(0, many, rest);
  at::Tensor out_rest = out.narrow(0, many, rest);
  if (is_few_rows(rest, w.numel())) {
    multiply_few_rows(x_rest.const_data_ptr<float>(), rest, w.const_data_ptr<float>(), w.size(0),
                      w.size(1), out_rest.mutable_data_ptr<float>(), beta != 0);
  } else {
    multiply_weight_first(x_rest, w, out_rest, beta);
  }
}

// to = a + b; `to` may be `a`
TUTTI_VECTORIZED void add_rounded(const float* a, const BFloat16* b, float* to, int64_t size) {
  lanes::each(
      size, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        lanes::Vec x, y;
        lanes::get(a + i, n, x);
        lanes::get(b + i, n, y);
        lanes::put(to + i, n, x + y);
      });
}
// `a` and `to` fp32, `b` bf16, all contiguous.
void add(const at::Tensor& a, const at::Tensor& b, at::Tensor& to) {
  if (!is_fused(to)) {
    at::add_out(to, a, b);
    return;
  }
  const auto* x = a.const_data_ptr<float>();
  const auto* y = b.const_data_ptr<BFloat16>();
  auto* out = to.mutable_data_ptr<float>();
  at::parallel_for(0, to.numel(), rows_per_task(1), [&](int64_t first, int64_t last) {
    add_rounded(x + first, y + first, out + first, last - first);
  });
}

// table[index[r]] += rows[r]. Each thread takes some columns of all rows: rows may repeat.
TUTTI_VECTORIZED void add_rows(const float* rows, const int64_t* index, float* table, int64_t n,
                               int64_t d, int64_t width) {
  for (int64_t r = 0; r < n; ++r) lanes::axpy(1.0F, rows + r * d, table + index[r] * d, width);
}
void scatter_rows(const at::Tensor& rows, const at::Tensor& index, at::Tensor& table) {
  if (!is_fused(table)) {
    table.index_add_(0, index.to(table.device()), rows);
    return;
  }
  const int64_t n = rows.size(0), d = rows.size(1);
  const auto* from = rows.const_data_ptr<float>();
  const auto* to_row = index.const_data_ptr<int64_t>();
  auto* to = table.mutable_data_ptr<float>();
  at::parallel_for(0, d, std::max<int64_t>(64, rows_per_task(n)), [&](int64_t first, int64_t last) {
    add_rows(from + first, to_row, to + first, n, d, last - first);
  });
}

// weight.grad += g^T x, for the operands' type.
void add_weight_gradient(const Weight& weight, const at::Tensor& g, const at::Tensor& x) {
  at::Tensor grad = weight.grad;
  if (g.scalar_type() == grad.scalar_type()) {
    multiply(g.t(), x, grad, /*beta=*/1);
    return;
  }
  at::Tensor rounded = at::empty(grad.sizes(), g.options());
  multiply(g.t(), x, rounded, /*beta=*/0);
  add(grad, rounded, grad);
}

// The columns of block `i` of what stands side by side, a rank each.
at::Tensor of_block(const at::Tensor& side_by_side, const Adapters& adapters, size_t i) {
  const int64_t rank = adapters.blocks[i].b.compute.size(1);
  return side_by_side.narrow(1, static_cast<int64_t>(i) * rank, rank);
}

// out += scale * (x A^T) B^T. Returns scale * x A^T [R, blocks * rank].
at::Tensor add_adapted(const Adapters& adapters, const at::Tensor& x, at::Tensor& out) {
  at::Tensor inner = at::empty({x.size(0), adapters.a.compute.size(0)}, x.options());
  multiply(x, adapters.a.compute.t(), inner, /*beta=*/0);
  inner.mul_(adapters.scale);
  for (size_t i = 0; i < adapters.blocks.size(); ++i) {
    const auto& [first_row, b] = adapters.blocks[i];
    at::Tensor columns = out.narrow(1, first_row, b.compute.size(0));
    multiply(of_block(inner, adapters, i), b.compute.t(), columns, /*beta=*/1);
  }
  return inner;
}

// Adds the gradients of A and B; returns that of x A^T. `inner`: as add_adapted() gave it.
at::Tensor adapter_gradients(const Adapters& adapters, const at::Tensor& g, const at::Tensor& x,
                             const at::Tensor& inner) {
  at::Tensor slope = at::empty(inner.sizes(), inner.options());
  for (size_t i = 0; i < adapters.blocks.size(); ++i) {
    const auto& [first_row, b] = adapters.blocks[i];
    const at::Tensor own = g.narrow(1, first_row, b.compute.size(0));
    at::Tensor columns = of_block(slope, adapters, i);
    multiply(own, b.compute, columns, /*beta=*/0);
    add_weight_gradient(b, own, of_block(inner, adapters, i));
  }
  slope.mul_(adapters.scale);
  add_weight_gradient(adapters.a, slope, x);
  return slope;
}

// The edges of a node whose inputs are `inputs` and then the weight's parameters.
edge_list edges_of(std::initializer_list<at::Tensor> inputs, const Weight& weight) {
  edge_list edges;
  edges.reserve(inputs.size() + weight.leaves.size());
  const auto add = [&](const at::Tensor& t) {
    edges.push_back(t.requires_grad() ? torch::autograd::impl::gradient_edge(t) : Edge());
  };
  for (const at::Tensor& t : inputs) add(t);
  for (const at::Tensor& t : weight.leaves) add(t);
  if (weight.adapters) {
    for (const at::Tensor& t : weight.adapters->a.leaves) add(t);
    for (const Adapters::Block& block : weight.adapters->blocks) add(block.b.leaves.front());
  }
  return edges;
}

bool is_recorded(std::initializer_list<at::Tensor> inputs, const Weight& weight) {
  if (!c10::GradMode::is_enabled()) return false;
  for (const at::Tensor& t : inputs) {
    if (t.requires_grad()) return true;
  }
  return weight.grad.defined() || weight.rows != nullptr || weight.adapters != nullptr;
}

struct LinearBackward : Node {
  Weight weight;
  at::Tensor x;         // in the products' type
  at::Tensor inner;     // of add_adapted()
  at::ScalarType type;  // of the layer's input
  bool has_residual;

  variable_list apply(variable_list&& grads) override {
    const c10::AutoGradMode no_grad(false);
    variable_list out(num_outputs());
    const at::Tensor given = grads[0].contiguous();
    if (has_residual) out[0] = given;
    const at::Tensor g = given.to(x.scalar_type());
    const size_t input = has_residual ? 1 : 0;
    at::Tensor slope;
    if (weight.adapters) slope = adapter_gradients(*weight.adapters, g, x, inner);
    if (task_should_compute_output(input)) {
      at::Tensor dx = at::empty(x.sizes(), g.options());
      multiply(g, weight.compute, dx, /*beta=*/0);
      if (slope.defined()) multiply(slope, weight.adapters->a.compute, dx, /*beta=*/1);
      out[input] = dx.to(type);
    }
    if (weight.grad.defined()) add_weight_gradient(weight, g, x);
    return out;
  }
  void release_variables() override {
    x.reset();
    inner.reset();
  }
};

struct GatherRowsBackward : Node {
  Weight table;
  at::Tensor index;

  variable_list apply(variable_list&& grads) override {
    const c10::AutoGradMode no_grad(false);
    const at::Tensor g = grads[0].contiguous();
    if (table.rows) {
      table.rows->add({index.const_data_ptr<int64_t>(), static_cast<size_t>(index.numel())}, g);
    } else if (table.grad.defined()) {
      at::Tensor grad = table.grad;
      scatter_rows(g, index, grad);
    }
    return variable_list(num_outputs());
  }
  void release_variables() override { index.reset(); }
};

// `residual` may be undefined.
at::Tensor product(const at::Tensor& residual, const at::Tensor& given, const Weight& weight) {
  const bool has_residual = residual.defined();
  TUTTI_CHECK(weight.rows == nullptr, "a table of rows is no linear layer");
  const at::Tensor x = given.detach().to(weight.compute.scalar_type());
  TUTTI_CHECK(x.dim() == 2 && x.size(1) == weight.compute.size(1), "the input's width");
  at::Tensor out, inner;
  {
    const c10::AutoGradMode no_grad(false);
    if (has_residual && x.scalar_type() == residual.scalar_type()) {
      out = residual.detach().clone();
      multiply_by_weight(x, weight.compute, out, /*beta=*/1);
      if (weight.adapters) inner = add_adapted(*weight.adapters, x, out);
    } else {
      out = at::empty({x.size(0), weight.compute.size(0)}, x.options());
      multiply_by_weight(x, weight.compute, out, /*beta=*/0);
      if (weight.adapters) inner = add_adapted(*weight.adapters, x, out);
      if (has_residual) {
        at::Tensor sum = at::empty(residual.sizes(), residual.options());
        add(residual.detach().contiguous(), out, sum);
        out = sum;
      }
    }
  }
  const auto record = [&](std::initializer_list<at::Tensor> inputs) {
    if (!is_recorded(inputs, weight)) return;
    auto node = std::shared_ptr<LinearBackward>(new LinearBackward, torch::autograd::deleteNode);
    node->set_next_edges(edges_of(inputs, weight));
    node->weight = weight;
    node->x = x;
    node->inner = inner;
    node->type = given.scalar_type();
    node->has_residual = has_residual;
    torch::autograd::set_history(out, node);
  };
  if (has_residual) {
    record({residual, given});
  } else {
    record({given});
  }
  return out;
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const Weight& weight) {
  return product({}, x, weight);
}

at::Tensor linear_residual(const at::Tensor& residual, const at::Tensor& x, const Weight& weight) {
  return product(residual, x, weight);
}

at::Tensor gather_rows(const Weight& table, const at::Tensor& index) {
  at::Tensor out;
  {
    const c10::AutoGradMode no_grad(false);
    const at::Tensor& values = table.leaves.front();
    out = values.index_select(0, index.to(values.device()));
  }
  if (!is_recorded({}, table)) return out;
  auto node =
      std::shared_ptr<GatherRowsBackward>(new GatherRowsBackward, torch::autograd::deleteNode);
  node->set_next_edges(edges_of({}, table));
  node->table = table;
  node->index = index;
  torch::autograd::set_history(out, node);
  return out;
}

at::Tensor gather_known_rows(const Weight& table, const at::Tensor& index) {
  const at::Tensor& values = table.leaves.front();
  const at::Tensor is_behind = index.ge(values.size(0));
  if (!is_behind.any().item<bool>()) return gather_rows(table, index);
  const c10::AutoGradMode no_grad(false);
  at::Tensor out = gather_rows(table, index.masked_fill(is_behind, 0));
  return out.masked_fill_(is_behind.to(out.device()).unsqueeze(1), 0);
}

}  // namespace tutti::trainer
