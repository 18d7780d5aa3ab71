#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/buckets.h"
#include "dist/communicator.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

struct ReducerOptions {
  int64_t bucket_elements = 4 << 20;  // what one collective carries
  // ZeRO stage 1 (Rajbhandari et al. 2020): each rank sums and updates its slice of every bucket
  // only, and keeps optimizer state for it only.
  bool zero = false;
};

// The flat buffers of a model, as ParameterStore makes them.
struct FlatBuffers {
  at::Tensor values, grads;  // [num_flat] fp32
  int64_t num_decay_elements = 0;
};

// Sums the gradients of all ranks, or leaves each rank the sums that it owns. The flat buffer is
// cut into buckets; each starts to travel when backward has completed the last gradient in it, in
// an order that is the same on all ranks, while backward goes on. The model does not learn of it: a
// hook behind each parameter's gradient accumulator tells. (An operator that writes a weight's
// gradient into the flat buffer itself must still take the weight as an input of its autograd node,
// and return no gradient for it: the hook runs when all such operators have run.)
//
// Gradients of tables of rows travel as the rows that a rank touched, behind the buckets; every
// rank receives and sums all of them.
//
// One step: [backward of every micro-batch but the last] begin_last_backward(), [backward],
// finish(), [optimizer], gather_values(). With one rank nothing travels.
class GradientReducer {
 public:
  // The parameters' gradients are defined and views into `flat.grads`; all arguments outlive the
  // object. Parameters that need no gradient are left alone.
  GradientReducer(std::span<Parameter> parameters, FlatBuffers flat, Communicator& comm,
                  const ReducerOptions& options);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // The next backward pass completes the gradients of `step`. Collective, as all that follow.
  void begin_last_backward(int64_t step);
  // Sends what backward did not touch (a rank without titles: everything) and waits for all sums.
  void finish();
  // Behind finish(): the 2-norm of the summed gradient, equal on all ranks.
  double grad_norm();
  // Behind the optimizer's update of owned(): every rank receives the others' new values. False
  // when there are none.
  bool gather_values();

  // The elements of the flat buffers that this rank updates, ascending, none across the border of
  // weight decay: everything, or its slices.
  const std::vector<Range>& owned() const { return owned_; }

  // How long sums and values travelled, and how long this rank waited for them, since last asked.
  // Rows are always waited for: backward ends with them.
  BulkTimes take_times();

 private:
  struct Hooks;
  void on_complete(size_t parameter);
  void launch(Range buckets);
  void sum_rows(RowGradient& gradient);
  std::vector<int64_t> slices_of(const Range& bucket) const;  // [size + 1], in the flat buffer

  FlatBuffers flat_;
  Communicator& comm_;
  const ReducerOptions options_;
  BucketSchedule schedule_;
  std::vector<Range> owned_;
  std::vector<std::shared_ptr<RowGradient>> row_gradients_;
  bool is_armed_ = false;
  double rows_ms_ = 0;
  std::unique_ptr<Hooks> hooks_;
};

}  // namespace tutti::trainer
