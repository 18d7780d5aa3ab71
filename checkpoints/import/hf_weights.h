#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoints/import/source_tensor.h"
#include "checkpoints/safetensors.h"
#include "checkpoints/t5_tensors.h"

namespace tutti::checkpoints {

// The weights of a folder of HF transformers: model.safetensors or its parts under
// model.safetensors.index.json. Tensors are taken out one by one, so that in the end none is
// unaccounted for.
class HfWeights {
 public:
  // DataError naming file and tensor: no weights, whole and parts side by side, an index that does
  // not fit its files, a damaged file.
  static HfWeights open(const std::filesystem::path& folder);

  bool contains(const std::string& name) const { return left_.contains(name); }
  // Takes the tensor stored under `stored_as`, to be known as expected.name from here on. Fp32,
  // bf16 or fp16. DataError when it is missing or has another shape or type.
  NamedTensor take(const TensorShape& expected, const std::string& stored_as);
  NamedTensor take(const TensorShape& expected) { return take(expected, expected.name); }
  // Takes a tensor that nothing is made of, when it is there.
  void ignore(const std::string& name, const std::string& reason);
  // Takes it when it holds the same bytes as `other`; false when it is not there or differs.
  bool ignore_copy(const std::string& name, const NamedTensor& other,
                   const std::string& other_name);
  // DataError naming a tensor that was not taken. `architecture`: "a T5ForConditionalGeneration".
  void finish(const std::string& architecture) const;
  // DataError: what is wrong with a tensor.
  [[noreturn]] void fail(const std::string& tensor, const std::string& found,
                         const std::string& expected, const std::string& cure = "") const;

  std::vector<std::string> names_left() const;
  const std::vector<IgnoredTensor>& ignored() const { return ignored_; }

 private:
  std::filesystem::path path_;  // what messages name
  std::vector<SafetensorsFile> files_;
  std::map<std::string, const NamedTensor*> left_;
  std::vector<IgnoredTensor> ignored_;
};

// The values of a tensor as fp32: `out` has tensor.num_elements() places.
void copy_as_fp32(const NamedTensor& tensor, std::span<float> out);
// IEEE half precision.
float from_fp16(uint16_t bits);
// The upper half of an fp32.
float from_bf16(uint16_t bits);

// Such a tensor for readers; valid while the file that it is mapped from is.
SourceTensor as_source(NamedTensor tensor);

}  // namespace tutti::checkpoints
