#include "checkpoints/export/export_tensors.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

ExportTensors::ExportTensors(const Checkpoint& checkpoint, const std::optional<LoraConfig>& lora)
    : file_((checkpoint.path / kModelFile).string()),
      tensors_(with_adapters_merged(checkpoint.model.tensors(), lora, file_)) {}

NamedTensor ExportTensors::take(const TensorShape& expected) {
  const auto found = std::ranges::find(tensors_, expected.name, &NamedTensor::name);
  const bool fits =
      found != tensors_.end() && found->type == TensorType::kF32 && found->shape == expected.shape;
  if (!fits) {
    throw DataError(Problem{.file = file_,
                            .place = "tensor '" + expected.name + "'",
                            .found = found == tensors_.end()
                                         ? "no such tensor"
                                         : fmt::format("{} [{}]", checkpoints::name_of(found->type),
                                                       fmt::join(found->shape, ", ")),
                            .expected = fmt::format("F32 [{}], as the shape in state.json says",
                                                    fmt::join(expected.shape, ", ")),
                            .cure = {}});
  }
  taken_.insert(expected.name);
  return *found;
}

std::span<const float> ExportTensors::take_values(const TensorShape& expected) {
  const NamedTensor tensor = take(expected);  // its values live as long as this object
  return {static_cast<const float*>(tensor.data), static_cast<size_t>(tensor.num_elements())};
}

void ExportTensors::finish(const std::string& model) const {
  for (const NamedTensor& tensor : tensors_) {
    if (taken_.contains(tensor.name)) continue;
    throw DataError(Problem{.file = file_,
                            .place = "tensor '" + tensor.name + "'",
                            .found = "a tensor that " + model + " does not have",
                            .expected = "the tensors of the shape in state.json",
                            .cure = {}});
  }
}

std::vector<float> joined(std::span<const float> text, std::span<const float> ids) {
  std::vector<float> rows(text.begin(), text.end());
  rows.insert(rows.end(), ids.begin(), ids.end());
  return rows;
}

}  // namespace tutti::checkpoints
