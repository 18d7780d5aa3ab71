#include "trainer/gradient_reducer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include <ATen/ops/empty_like.h>
#include <ATen/ops/norm.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kSliceElements = 16;  // slices start at cache lines, as parameters do

// Tables of rows have gradients that are not in the flat buffer.
bool is_flat(const Parameter& p) {
  return p.value.requires_grad() && !p.rows;
}

// Of the parameters that need a gradient, where each lies in the flat buffer.
std::vector<Range> ranges_of(std::span<const Parameter> parameters, const FlatBuffers& flat) {
  std::vector<Range> ranges;
  const auto* begin = flat.values.const_data_ptr<float>();
  for (const Parameter& p : parameters) {
    if (!is_flat(p)) continue;
    const int64_t first = p.value.const_data_ptr<float>() - begin;
    TUTTI_CHECK(first >= 0 && first + p.value.numel() <= flat.values.numel(), p.name);
    TUTTI_CHECK(p.value.grad().data_ptr() == flat.grads.data_ptr<float>() + first, p.name);
    ranges.push_back({first, first + p.value.numel()});
  }
  return ranges;
}

std::vector<Range> buckets_of(const FlatBuffers& flat, const ReducerOptions& options) {
  return make_buckets(flat.grads.numel(), options.bucket_elements,
                      std::array<int64_t, 1>{flat.num_decay_elements});
}

}  // namespace

// The hooks behind the gradient accumulators. A tensor holds its accumulator weakly: they are kept
// here, or the hooks would go with the first graph.
struct GradientReducer::Hooks {
  struct Hook {
    std::shared_ptr<torch::autograd::Node> accumulator;
    uintptr_t key;
  };
  std::vector<Hook> all;

  Hooks() = default;
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;
  ~Hooks() {
    for (const Hook& hook : all) hook.accumulator->del_post_hook(hook.key);
  }
};

GradientReducer::GradientReducer(std::span<Parameter> parameters, FlatBuffers flat,
                                 Communicator& comm, const ReducerOptions& options)
    : flat_(std::move(flat)),
      comm_(comm),
      options_(options),
      schedule_(ranges_of(parameters, flat_), buckets_of(flat_, options)),
      hooks_(std::make_unique<Hooks>()) {
  for (const Parameter& p : parameters) {
    if (p.rows) row_gradients_.push_back(p.rows);
  }
  if (options.zero && comm.size() > 1) {
    const auto me = static_cast<size_t>(comm.rank());
    for (const Range& bucket : schedule_.buckets()) {
      const std::vector<int64_t> slices = slices_of(bucket);
      if (slices[me] < slices[me + 1]) owned_.push_back({slices[me], slices[me + 1]});
    }
    std::sort(owned_.begin(), owned_.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
  } else {
    const int64_t n = flat_.grads.numel();
    for (const Range part : {Range{0, flat_.num_decay_elements}, {flat_.num_decay_elements, n}}) {
      if (part.size() > 0) owned_.push_back(part);
    }
  }
  if (comm.size() == 1) return;
  size_t index = 0;
  for (const Parameter& p : parameters) {
    if (!is_flat(p)) continue;
    using torch::autograd::variable_list;
    const std::shared_ptr<torch::autograd::Node> accumulator =
        torch::autograd::impl::grad_accumulator(p.value);
    const uintptr_t key =
        accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
            [this, index](const variable_list& outputs, const variable_list& /*inputs*/) {
              on_complete(index);
              return outputs;
            }));
    hooks_->all.push_back({accumulator, key});
    ++index;
  }
}

GradientReducer::~GradientReducer() = default;

std::vector<int64_t> GradientReducer::slices_of(const Range& bucket) const {
  std::vector<int64_t> slices = owned_splits(bucket.size(), kSliceElements, comm_.size());
  for (int64_t& element : slices) element += bucket.first;
  return slices;
}

void GradientReducer::begin_last_backward(int64_t step) {
  TUTTI_CHECK(!is_armed_, "finish() comes first");
  comm_.set_step(step);
  schedule_.reset();
  is_armed_ = true;
}

void GradientReducer::on_complete(size_t parameter) {
  if (is_armed_) launch(schedule_.complete(parameter));
}

void GradientReducer::launch(Range buckets) {
  auto* grads = flat_.grads.mutable_data_ptr<float>();
  for (int64_t b = buckets.first; b < buckets.last; ++b) {
    const Range& bucket = schedule_.buckets()[static_cast<size_t>(b)];
    if (options_.zero) {
      comm_.start_reduce_scatter_sum(grads, slices_of(bucket));
    } else {
      comm_.start_all_reduce_sum(grads + bucket.first, bucket.size());
    }
  }
}

void GradientReducer::finish() {
  TUTTI_CHECK(is_armed_, "begin_last_backward() comes first");
  is_armed_ = false;
  if (comm_.size() == 1) return;
  launch(schedule_.complete_all());
  comm_.wait_for_bulk();
  const auto start = std::chrono::steady_clock::now();
  for (const auto& rows : row_gradients_) sum_rows(*rows);
  rows_ms_ +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

BulkTimes GradientReducer::take_times() {
  BulkTimes times = comm_.take_bulk_times();
  times.busy_ms += rows_ms_;
  times.exposed_ms += rows_ms_;
  rows_ms_ = 0;
  return times;
}

// In rank order, so that all ranks add the same numbers in the same order.
void GradientReducer::sum_rows(RowGradient& gradient) {
  const std::vector<float> own_values = gradient.values();
  const std::vector<int64_t> rows = comm_.all_gather(gradient.rows());
  const std::vector<float> values = comm_.all_gather(std::span<const float>(own_values));
  gradient.clear();
  gradient.add(rows, values);
}

double GradientReducer::grad_norm() {
  double squares = 0;
  for (const Range& part : owned_) {
    const auto norm = flat_.grads.narrow(0, part.first, part.size()).norm().item<double>();
    squares += norm * norm;
  }
  if (options_.zero) squares = comm_.sum(squares);
  for (const auto& rows : row_gradients_) squares += rows->sum_of_squares();
  return std::sqrt(squares);
}

bool GradientReducer::gather_values() {
  if (!options_.zero || comm_.size() == 1) return false;
  auto* data = flat_.values.mutable_data_ptr<float>();
  for (const Range& bucket : schedule_.buckets()) comm_.start_all_gather(data, slices_of(bucket));
  comm_.wait_for_bulk();
  return true;
}

}  // namespace tutti::trainer
