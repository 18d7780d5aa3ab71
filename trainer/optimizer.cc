#include "trainer/optimizer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"
#include "trainer/adamw_kernel.h"
#include "trainer/models/fused_support.h"
#include "trainer/models/plain_ops.h"

namespace tutti::trainer {

AdamW::AdamW(IdModel& model, const AdamWOptions& options)
    : AdamW(model, options,
            {{0, model.num_decay_elements()},
             {model.num_decay_elements(), model.flat_values().numel()}}) {}

AdamW::AdamW(IdModel& model, const AdamWOptions& options, std::vector<Range> owned)
    : options_(options),
      owned_(std::move(owned)),
      num_decay_elements_(model.num_decay_elements()),
      model_(model),
      values_(model.flat_values()),
      grads_(model.flat_grads()) {
  int64_t total = 0;
  for (const Range& part : owned_) {
    TUTTI_CHECK(part.last <= num_decay_elements_ || part.first >= num_decay_elements_);
    total += part.size();
  }
  pieces_ = cut_by_rate(model.parameters());
  moment1_ = at::zeros({total}, values_.options());
  moment2_ = at::zeros_like(moment1_);
  for (Parameter& p : model.parameters()) {
    if (!p.rows) continue;
    row_states_.push_back({.parameter = &p,
                           .moment1 = at::zeros(p.shape, p.value.options().requires_grad(false)),
                           .moment2 = at::zeros(p.shape, p.value.options().requires_grad(false)),
                           .num_steps = at::zeros({p.shape[0]}, at::kFloat)});
  }
}

std::vector<AdamW::Piece> AdamW::cut_by_rate(const std::vector<Parameter>& parameters) const {
  std::map<int64_t, double> rate_from;  // by the element where a parameter begins
  for (const Parameter& p : parameters) {
    if (p.trainable && !p.rows) rate_from[p.value.storage_offset()] = p.rate;
  }
  std::vector<Piece> pieces;
  for (const Range& part : owned_) {
    int64_t first = part.first;
    while (first < part.last) {
      auto next = rate_from.upper_bound(first);
      const double rate = next == rate_from.begin() ? 1.0 : std::prev(next)->second;
      while (next != rate_from.end() && next->first < part.last && next->second == rate) ++next;
      const int64_t last = next == rate_from.end() ? part.last : std::min(next->first, part.last);
      pieces.push_back({.range = {first, last}, .rate = rate});
      first = last;
    }
  }
  return pieces;
}

void AdamW::step_rows(RowState& state, double learning_rate, double grad_divisor) {
  RowGradient& gradient = *state.parameter->rows;
  const int64_t width = gradient.width();
  auto* steps = state.num_steps.mutable_data_ptr<float>();
  auto *values = state.parameter->value.mutable_data_ptr<float>(),
       *moment1 = state.moment1.mutable_data_ptr<float>(),
       *moment2 = state.moment2.mutable_data_ptr<float>();
  for (const int64_t row : gradient.rows()) {
    steps[row] += 1;
    const AdamWFactors factors(state.parameter->rate * learning_rate, options_.beta1,
                               options_.beta2, options_.epsilon, options_.weight_decay,
                               grad_divisor, static_cast<int64_t>(steps[row]));
    const int64_t first = row * width;
    adamw_update(factors, values + first, gradient.row(row), moment1 + first, moment2 + first,
                 /*rounded=*/nullptr, width);
  }
  gradient.clear();
}

// All touched rows at once: each has factors of its own.
void AdamW::step_rows_plain(RowState& state, double learning_rate, double grad_divisor) {
  RowGradient& gradient = *state.parameter->rows;
  if (gradient.rows().empty()) return;
  learning_rate *= state.parameter->rate;
  const at::Tensor rows = gradient.touched();
  auto* steps = state.num_steps.mutable_data_ptr<float>();
  std::vector<float> step_size, root_scale;
  for (const int64_t row : gradient.rows()) {
    steps[row] += 1;
    const AdamWFactors own(learning_rate, options_.beta1, options_.beta2, options_.epsilon,
                           options_.weight_decay, grad_divisor, static_cast<int64_t>(steps[row]));
    step_size.push_back(own.step_size);
    root_scale.push_back(own.root_scale);
  }
  const auto column = [&](const std::vector<float>& v) {
    return at::tensor(v, at::kFloat).to(rows.device()).unsqueeze(1);
  };
  const AdamWFactors f(learning_rate, options_.beta1, options_.beta2, options_.epsilon,
                       options_.weight_decay, grad_divisor, /*step=*/1);
  const at::Tensor g = gradient.dense().index_select(0, rows) * f.grad_scale;
  const at::Tensor m = state.moment1.index_select(0, rows).mul_(f.beta1).add_(g, 1.0F - f.beta1);
  const at::Tensor v =
      state.moment2.index_select(0, rows).mul_(f.beta2).addcmul_(g, g, 1.0F - f.beta2);
  const at::Tensor values = state.parameter->value.detach();
  values.index_copy_(0, rows,
                     values.index_select(0, rows) * f.keep -
                         column(step_size) * m / (v.sqrt() * column(root_scale) + f.epsilon));
  state.moment1.index_copy_(0, rows, m);
  state.moment2.index_copy_(0, rows, v);
  gradient.clear();
}

void AdamW::step(double learning_rate, double grad_divisor) {
  ++num_steps_;
  const auto factors_of = [&](const Piece& piece) {
    const bool decays = piece.range.last <= num_decay_elements_;
    return AdamWFactors(piece.rate * learning_rate, options_.beta1, options_.beta2,
                        options_.epsilon, decays ? options_.weight_decay : 0.0, grad_divisor,
                        num_steps_);
  };
  if (!is_fused(values_)) {
    const c10::NoGradGuard no_grad;
    int64_t done = 0;
    for (const Piece& piece : pieces_) {
      const Range& part = piece.range;
      const auto own = [&](const at::Tensor& flat) {
        return flat.defined() ? flat.narrow(0, part.first, part.size()) : flat;
      };
      plain::adamw_update(factors_of(piece), own(values_), own(grads_),
                          moment1_.narrow(0, done, part.size()),
                          moment2_.narrow(0, done, part.size()), own(model_.flat_rounded()));
      done += part.size();
    }
    for (RowState& state : row_states_) step_rows_plain(state, learning_rate, grad_divisor);
    return;
  }
  auto *values = values_.mutable_data_ptr<float>(), *grads = grads_.mutable_data_ptr<float>(),
       *moment1 = moment1_.mutable_data_ptr<float>(), *moment2 = moment2_.mutable_data_ptr<float>();
  const at::Tensor rounded_values = model_.flat_rounded();
  auto* rounded =
      rounded_values.defined() ? rounded_values.mutable_data_ptr<c10::BFloat16>() : nullptr;
  int64_t done = 0;
  for (const Piece& piece : pieces_) {
    const Range& part = piece.range;
    adamw_update(factors_of(piece), values + part.first, grads + part.first, moment1 + done,
                 moment2 + done, rounded == nullptr ? nullptr : rounded + part.first, part.size());
    done += part.size();
  }
  for (RowState& state : row_states_) step_rows(state, learning_rate, grad_divisor);
}

}  // namespace tutti::trainer
