#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>

#include "dist/runtime/rng.h"
#include "trainer/gradient_reducer.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

// A network small enough to see what a reducer does: a weight that is used twice, a vector without
// weight decay, a parameter that no row reaches, and one that is used for some rows only.
class SmallNet {
 public:
  static constexpr int64_t kInputs = 12, kHidden = 20;

  SmallNet() {
    store_.declare("unused", {50});
    store_.declare("in", {kHidden, kInputs});
    store_.declare("scale", {kHidden}, /*decay=*/false);
    store_.declare("twice", {kHidden, kHidden});
    store_.declare("sometimes", {7, kHidden});
    store_.declare("out", {3, kHidden});
    store_.allocate();
    Rng rng(5, Purpose::kTest, 0);
    for (Parameter& p : store_.all()) {
      auto* data = p.value.mutable_data_ptr<float>();
      for (int64_t i = 0; i < p.value.numel(); ++i) data[i] = static_cast<float>(rng.normal() / 4);
    }
  }

  // The summed loss of some rows: [count, kInputs], drawn by row number.
  at::Tensor loss(int64_t first_row, int64_t count) {
    std::vector<float> inputs;
    for (int64_t row = first_row; row < first_row + count; ++row) {
      Rng rng(6, Purpose::kTest, static_cast<uint64_t>(row));
      for (int64_t i = 0; i < kInputs; ++i) inputs.push_back(static_cast<float>(rng.normal()));
    }
    const at::Tensor x = at::from_blob(inputs.data(), {count, kInputs}, at::kFloat).clone();
    at::Tensor hidden = at::linear(x, value("in")).tanh() * value("scale");
    hidden = at::linear(at::linear(hidden, value("twice")).tanh(), value("twice"));
    at::Tensor sum = at::linear(hidden, value("out")).square().sum();
    const int64_t special = std::clamp<int64_t>(5 - first_row, 0, count);
    if (special == 0) return sum;
    return sum + at::linear(hidden.narrow(0, 0, special), value("sometimes")).square().sum();
  }

  at::Tensor value(const std::string& name) const { return store_.value(name); }
  std::vector<Parameter>& parameters() { return store_.all(); }
  FlatBuffers flat() const {
    return {store_.flat_values(), store_.flat_grads(), store_.num_decay_elements()};
  }
  std::vector<float> grads() const { return copy_of(store_.flat_grads()); }
  std::vector<float> values() const { return copy_of(store_.flat_values()); }

 private:
  static std::vector<float> copy_of(const at::Tensor& t) {
    return {t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel()};
  }
  ParameterStore store_;
};

// The gradient of rows [0, 60) / 60 on every rank of `comm`, computed in micro-batches of uneven
// size; the last rank has no rows when there are several.
struct ReducedGradient {
  std::vector<float> grads;  // what this rank holds behind finish(); under ZeRO only owned() counts
  std::vector<Range> owned;
  double norm = 0;
};
inline ReducedGradient reduced_gradient(Communicator& comm, const ReducerOptions& options,
                                        int64_t num_micro_batches) {
  constexpr int64_t kRows = 60;
  SmallNet net;
  GradientReducer reducer(net.parameters(), net.flat(), comm, options);
  const int64_t workers = std::max(1, comm.size() - 1);
  int64_t first = 0, end = 0;
  if (comm.rank() < workers) {  // shares grow with the square of the rank
    const auto share = [&](int64_t r) { return kRows * r * r / (workers * workers); };
    first = share(comm.rank());
    end = share(comm.rank() + 1);
  }
  const int64_t rows = end - first;
  const auto border = [&](int64_t m) {
    return first + rows * m * m / (num_micro_batches * num_micro_batches);
  };
  net.flat().grads.zero_();
  for (int64_t m = 0; m < num_micro_batches; ++m) {
    if (m + 1 == num_micro_batches) reducer.begin_last_backward(3);
    const int64_t count = border(m + 1) - border(m);
    if (count > 0) (net.loss(border(m), count) / static_cast<double>(kRows)).backward();
  }
  reducer.finish();
  return {net.grads(), reducer.owned(), reducer.grad_norm()};
}

}  // namespace tutti::trainer
