#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/communicator.h"
#include "trainer/models/id_model.h"

namespace tutti::trainer {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;  // short memory: rows of rare tokens see few gradients
  double epsilon = 1e-8;
  double weight_decay = 0.01;  // on matrices and embeddings, not on norms and position biases
};

// AdamW (Loshchilov and Hutter 2019) over the model's flat buffers: one pass over memory a step,
// whatever the number of parameters, which also keeps the bf16 copy of the weights current.
//
// A row of a table of rows (Parameter::rows) lives in a time of its own, the steps that touch it:
// only then its moments advance, with a bias correction by the number of such steps, and only then
// it decays. So it makes the steps that AdamW would make if there were no others, and a row that no
// step touches keeps its value. Every rank holds all row state and makes the same updates.
class AdamW {
 public:
  // The model outlives the object.
  AdamW(IdModel& model, const AdamWOptions& options);
  // Updates, and keeps moments for, these elements of the flat buffers only: ranges that are
  // ascending and do not cross the border of weight decay (GradientReducer::owned()).
  AdamW(IdModel& model, const AdamWOptions& options, std::vector<Range> owned);

  // One update with the model's gradients divided by `grad_divisor` (1 / clip coefficient), which
  // clips without a pass of its own. Leaves the owned gradients zero for the next step.
  void step(double learning_rate, double grad_divisor);

  int64_t num_steps() const { return num_steps_; }
  void set_num_steps(int64_t n) { num_steps_ = n; }
  const std::vector<Range>& owned() const { return owned_; }
  int64_t num_flat() const { return values_.numel(); }  // of the model
  // The state of a table of rows: moments [rows, width], and in host memory how many steps touched
  // each row, [rows] fp32 (exact to 2^24).
  struct RowState {
    Parameter* parameter;
    at::Tensor moment1, moment2, num_steps;
  };
  const std::vector<RowState>& row_states() const { return row_states_; }

  // First and second moments of the owned elements, one range behind the other.
  at::Tensor moment1() const { return moment1_; }
  at::Tensor moment2() const { return moment2_; }

 private:
  // Owned elements whose parameters learn at one rate.
  struct Piece {
    Range range;
    double rate;  // share of the learning rate
  };
  std::vector<Piece> cut_by_rate(const std::vector<Parameter>& parameters) const;
  void step_rows(RowState& state, double learning_rate, double grad_divisor);
  void step_rows_plain(RowState& state, double learning_rate, double grad_divisor);

  AdamWOptions options_;
  std::vector<RowState> row_states_;
  std::vector<Range> owned_;
  std::vector<Piece> pieces_;  // of owned_, in its order
  int64_t num_decay_elements_;
  const IdModel& model_;
  at::Tensor values_, grads_;  // the model's
  at::Tensor moment1_, moment2_;
  int64_t num_steps_ = 0;
};

}  // namespace tutti::trainer
