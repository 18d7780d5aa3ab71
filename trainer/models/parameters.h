#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/models/row_gradient.h"

namespace tutti::checkpoints {
struct LoraConfig;
}

namespace tutti::trainer {

struct Adapters;

// A trainable tensor and its HF name ("encoder.block.0.layer.0.SelfAttention.q.weight").
struct Parameter {
  std::string name;
  std::vector<int64_t> shape;
  at::Tensor value;       // a leaf; value and gradient are views into the store's flat buffers
  bool decay = true;      // weight decay applies (not to norms and position biases)
  bool trainable = true;  // else frozen: no gradient, and not in the flat buffers
  double rate = 1;        // its share of the learning rate; set before an optimizer is made of it
  // Of a table of which a step reads few rows: its gradient, and value.grad() is this one's dense
  // buffer; value and gradient are not in the flat buffers. Null for all others.
  std::shared_ptr<RowGradient> rows = {};
};

// A weight matrix as a linear layer sees it: one parameter, or several that stand one behind the
// other, so that one product serves them all.
struct Weight {
  std::vector<at::Tensor> leaves;  // the parameters' values: what the autograd graph ends in
  at::Tensor compute;              // [out, in], what products read: the values, or their bf16 copy
  at::Tensor grad;                 // [out, in] fp32, in the flat gradients; undefined when frozen
  std::shared_ptr<RowGradient> rows;         // where gradients go instead, of a table of rows
  std::shared_ptr<const Adapters> adapters;  // what acts beside it, see adapters.h; null: none
};

// The parameters of a model in two flat buffers, values and gradients, those with weight decay
// first: so that optimizer, gradient norm and all-reduce are a few calls, whatever the number of
// parameters. Parameters (and groups of them) start at multiples of 16 elements; the padding is
// zero and stays zero. Frozen ones lie apart, so that no optimizer, norm or all-reduce sees them.
class ParameterStore {
 public:
  // First all declarations, then allocate() once: it makes every value, zero.
  void declare(const std::string& name, std::vector<int64_t> shape, bool decay = true,
               bool trainable = true);
  // A table [rows, width] with weight decay, of which a step reads few rows.
  void declare_rows(const std::string& name, std::vector<int64_t> shape, bool trainable = true);
  // These matrices of equal width will stand one behind the other, where the first is declared.
  // They are declared alike (decay, trainable), and belong to one group only.
  void place_together(std::vector<std::string> names);
  // Declares an adapter for each matrix that `lora` names whose name begins so. After the others.
  void adapt(const checkpoints::LoraConfig& lora, const std::string& name_begin = "");
  void allocate();
  // Moves all values to another device, once, before anybody holds a tensor of the store.
  void move_to(at::Device device);

  // From here on weight() gives, and products read, a bf16 copy of all values as they are at this
  // call. Who changes values later rounds them too (AdamW does), or calls this again.
  void round_weights();

  // Parameters that were placed together, in that order, or a single one; with their adapters.
  Weight weight(const std::vector<std::string>& names) const;

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  Parameter* find(const std::string& name);         // nullptr when there is none
  at::Tensor value(const std::string& name) const;  // of a parameter that is there

  void zero_gradients();

  at::Tensor flat_values() const { return flat_values_; }  // [num_flat]
  at::Tensor flat_grads() const { return flat_grads_; }    // [num_flat]
  // [num_flat] bf16, undefined before round_weights().
  at::Tensor flat_rounded() const { return flat_rounded_; }
  int64_t num_decay_elements() const { return num_decay_elements_; }
  int64_t num_parameters() const { return num_parameters_; }  // trainable, without padding

 private:
  // Offsets of all parameters declared alike, from `first` on; returns where they end.
  int64_t lay_out(bool trainable, bool decay, int64_t first);
  size_t index_of(const std::string& name) const;
  bool contains(const std::string& name) const;
  std::shared_ptr<const Adapters> adapters_of(const std::vector<std::string>& names) const;
  void make_views();  // values and gradients of the parameters, into the flat buffers

  std::vector<Parameter> parameters_;
  std::vector<std::vector<std::string>> groups_;
  std::vector<int64_t> offsets_;  // by parameter, in flat_values_ or frozen_values_
  at::Tensor flat_values_, flat_grads_, frozen_values_;
  at::Tensor flat_rounded_, frozen_rounded_;  // bf16 copies of the values, when asked for
  int64_t num_decay_elements_ = 0, num_parameters_ = 0;
  double adapter_scale_ = 1;
};

}  // namespace tutti::trainer
