#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/lora.h"
#include "checkpoints/t5_tensors.h"

namespace tutti::checkpoints {

// The tensors of a checkpoint as an export takes them: fp32, adapters merged into the matrices that
// they change.
class ExportTensors {
 public:
  ExportTensors(const Checkpoint& checkpoint, const std::optional<LoraConfig>& lora);

  // DataError unless the tensor is there with this shape.
  NamedTensor take(const TensorShape& expected);
  std::span<const float> take_values(const TensorShape& expected);
  // DataError when one is left that nobody took. `model`: "T5".
  void finish(const std::string& model) const;

 private:
  std::string file_;
  std::vector<NamedTensor> tensors_;
  std::set<std::string> taken_;
};

// Text and ID rows of one matrix [vocab_size, width].
std::vector<float> joined(std::span<const float> text, std::span<const float> ids);

}  // namespace tutti::checkpoints
