#include "trainer/baselines/bi_encoder.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"

namespace tutti::trainer {

BiEncoder::BiEncoder(const checkpoints::BertConfig& config, data::Tokenizer tokenizer)
    : tokenizer_(std::move(tokenizer)),
      store_(std::make_unique<ParameterStore>()),
      bert_(config, *store_, /*trainable=*/true, /*words_as_rows=*/false) {
  store_->allocate();
  bert_.bind(*store_);
}

BiEncoder BiEncoder::from(const checkpoints::BertSource& source) {
  BiEncoder encoder(source.config(),
                    data::Tokenizer::from_bytes(source.tokenizer_json(),
                                                (source.path() / "tokenizer.json").string()));
  for (const checkpoints::SourceTensor& tensor : source.tensors()) {
    const Parameter* parameter = encoder.store_->find("bert." + tensor.name);
    TUTTI_CHECK(parameter != nullptr && parameter->shape == tensor.shape, tensor.name);
    tensor.copy_as_fp32(
        {parameter->value.data_ptr<float>(), static_cast<size_t>(tensor.num_elements())});
  }
  return encoder;
}

std::vector<int64_t> BiEncoder::tokens_of(const std::string& text) const {
  const std::vector<int32_t> encoded = tokenizer_.encode(text);  // [CLS] ... [SEP]
  std::vector<int64_t> tokens(encoded.begin(), encoded.end());
  const auto most = std::min(kMaxTokens, config().max_position_embeddings);
  if (std::ssize(tokens) > most) {
    tokens[most - 1] = tokens.back();
    tokens.resize(most);
  }
  return tokens;
}

at::Tensor BiEncoder::encode_tokens(std::span<const std::vector<int64_t>> texts) const {
  TitleRows rows;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < std::ssize(texts); ++i) {
    for (int64_t t = 0; t < std::ssize(texts[i]); ++t) {
      rows.tokens.push_back(texts[i][t]);
      rows.title.push_back(i);
      rows.position.push_back(t);
    }
    lengths.push_back(std::ssize(texts[i]));
  }
  const at::Tensor length = at::tensor(lengths, at::kLong);
  const at::Tensor states = bert_.encode(rows, length, /*checkpoint_activations=*/false);
  const at::Tensor sums =
      at::zeros({std::ssize(texts), width()}, states.options().requires_grad(false))
          .index_add(0, at::tensor(rows.title, at::kLong), states);
  // The length of the mean does not matter: it is made 1.
  return sums / sums.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor BiEncoder::encode(std::span<const std::string> texts) const {
  std::vector<std::vector<int64_t>> tokens;
  for (const std::string& text : texts) tokens.push_back(tokens_of(text));
  return encode_tokens(tokens);
}

at::Tensor BiEncoder::encode_all(std::span<const std::string> texts, Communicator& comm,
                                 const std::function<void(int64_t)>& progress) const {
  constexpr int64_t kTexts = 64;
  const c10::NoGradGuard no_grad;
  std::vector<std::vector<int64_t>> tokens;
  for (const std::string& text : texts) tokens.push_back(tokens_of(text));
  std::vector<int64_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&tokens](int64_t a, int64_t b) { return tokens[a].size() < tokens[b].size(); });
  const int64_t num_texts = std::ssize(texts), num_batches = (num_texts + kTexts - 1) / kTexts;

  // Batch b is rank b % size's: long texts are everybody's.
  std::vector<float> mine;
  for (int64_t batch = comm.rank(); batch < num_batches; batch += comm.size()) {
    std::vector<std::vector<int64_t>> some;
    for (int64_t i = batch * kTexts; i < std::min((batch + 1) * kTexts, num_texts); ++i) {
      some.push_back(tokens[order[i]]);
    }
    const at::Tensor vectors = encode_tokens(some).contiguous();
    const auto* values = vectors.const_data_ptr<float>();
    mine.insert(mine.end(), values, values + vectors.numel());
    if (progress) progress(std::ssize(some));
  }
  const std::vector<float> all = comm.all_gather(std::span<const float>(mine));  // rank by rank
  const at::Tensor out = at::zeros({num_texts, width()}, at::kFloat);
  const float* row = all.data();
  for (int rank = 0; rank < comm.size(); ++rank) {
    for (int64_t batch = rank; batch < num_batches; batch += comm.size()) {
      for (int64_t i = batch * kTexts; i < std::min((batch + 1) * kTexts, num_texts); ++i) {
        std::copy_n(row, width(), out.mutable_data_ptr<float>() + order[i] * width());
        row += width();
      }
    }
  }
  return out;
}

}  // namespace tutti::trainer
