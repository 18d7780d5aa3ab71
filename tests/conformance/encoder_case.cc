#include "tests/conformance/encoder_case.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/bert.h"
#include "checkpoints/safetensors.h"
#include "data/tokenizer.h"
#include "dist/communicator.h"
#include "trainer/baselines/bi_encoder.h"
#include "trainer/models/bert_encoder.h"

namespace tutti::conformance {

void write_token_states(const std::filesystem::path& folder, const std::filesystem::path& titles,
                        const std::filesystem::path& out) {
  const c10::NoGradGuard no_grad;
  const checkpoints::BertSource source = checkpoints::BertSource::open(folder);
  const auto tokenizer = data::Tokenizer::from_bytes(source.tokenizer_json(), "tokenizer.json");
  trainer::ParameterStore store;
  trainer::BertEncoder bert(source.config(), store, /*trainable=*/false, /*words_as_rows=*/true);
  store.allocate();
  for (const checkpoints::SourceTensor& tensor : source.tensors()) {
    tensor.copy_as_fp32({store.find("bert." + tensor.name)->value.data_ptr<float>(),
                         static_cast<size_t>(tensor.num_elements())});
  }
  bert.bind(store);

  std::vector<std::vector<int64_t>> tokens;
  std::vector<int64_t> lengths;
  std::vector<std::string> texts;
  for (const auto& title : nlohmann::json::parse(std::ifstream(titles))) {
    texts.push_back(title.get<std::string>());
    const std::vector<int32_t> ids = tokenizer.encode(texts.back());
    tokens.emplace_back(ids.begin(), ids.end());
    lengths.push_back(std::ssize(ids));
  }
  const at::Tensor padded =
      at::zeros({std::ssize(tokens), *std::max_element(lengths.begin(), lengths.end())}, at::kLong);
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::copy(tokens[i].begin(), tokens[i].end(),
              padded.mutable_data_ptr<int64_t>() + static_cast<int64_t>(i) * padded.size(1));
  }
  const trainer::TitleInputs inputs = {.tokens = padded, .lengths = at::tensor(lengths, at::kLong)};
  const at::Tensor states =
      bert.encode(trainer::title_rows(inputs), inputs.lengths, /*checkpoint_activations=*/false);

  std::vector<checkpoints::NamedTensor> written;
  const float* row = states.const_data_ptr<float>();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string number = std::to_string(i);
    written.push_back({.name = "tokens." + number,
                       .type = checkpoints::TensorType::kI64,
                       .shape = {lengths[i]},
                       .data = tokens[i].data()});
    written.push_back({.name = "states." + number,
                       .type = checkpoints::TensorType::kF32,
                       .shape = {lengths[i], states.size(1)},
                       .data = row});
    row += lengths[i] * states.size(1);
  }
  const at::Tensor vectors =
      trainer::BiEncoder::from(source).encode_all(texts, *make_single_communicator());
  written.push_back({.name = "vectors",
                     .type = checkpoints::TensorType::kF32,
                     .shape = vectors.sizes().vec(),
                     .data = vectors.const_data_ptr<float>()});
  checkpoints::write_safetensors(out, written, {});
}

}  // namespace tutti::conformance
