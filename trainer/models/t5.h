#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "checkpoints/t5_config.h"
#include "trainer/models/id_model.h"
#include "trainer/models/training_form.h"

namespace tutti::trainer {

using checkpoints::FeedForwardForm;
using checkpoints::t5_config_from_json;
using checkpoints::T5Config;
using checkpoints::to_json;

struct T5Weights;

// T5 as HF names it, with ID rows apart from text rows: "id_embedding.weight" [read_ids, d_model]
// is what the decoder reads, "lm_head.id.weight" [id_tokens, d_model] what it predicts with (a tied
// head predicts with what it reads). Text rows of an untied head are parameters only when the
// config asks for them: an ID cannot reach them. With config.encoder the decoder reads BERT's token
// states; those parameters are HF's BertModel with "bert." in front, and "shared.weight" is one
// row, what the decoder starts from.
class T5Model final : public IdModel {
 public:
  // Parameters allocated, not initialised. A tied text vocabulary is kept dense.
  explicit T5Model(const T5Config& config, TrainedPart trained = TrainedPart::kAll,
                   TextRows text_rows = TextRows::kSparse);
  ~T5Model() override;
  T5Model(T5Model&&) noexcept;

  const T5Config& config() const;
  nlohmann::json shape() const override;
  int64_t width() const override;
  int64_t id_tokens() const override;
  int64_t text_rows() const override;
  RowDeviation id_row_deviation() const override;
  UnitFlops unit_flops() const override;
  TitleMemo* title_memo() override;  // of a frozen encoder

  // HF's initialisation (factor 1.0), except that an untied head starts at d_model^-0.5 so that the
  // first losses are near ln(codes).
  void initialize(uint64_t seed) override;

  // Encoder output [R, encoder_width] of all title tokens, one title behind the other, without
  // padding: tokens [B, S] int64 text rows, padded, lengths [B] int64 (host). A frozen encoder
  // reads a title once only: its values must not change behind the first call, and dropout acts on
  // its output, not inside it.
  at::Tensor encode(const at::Tensor& tokens, const at::Tensor& lengths,
                    const StepDropout& step = {}) const;

  // tree_hidden() of titles that encode() has read. Linear layers run over the M nodes without
  // padding.
  at::Tensor decode_tree(const at::Tensor& encoded, const at::Tensor& lengths,
                         const TreeInputs& tree, const StepDropout& step = {}) const;
  // Projects cross-attention keys and values of every title once.
  DecoderState start(const at::Tensor& encoded, const at::Tensor& lengths) const;

  at::Tensor tree_hidden(const TitleInputs& titles, const TreeInputs& tree,
                         const StepDropout& step) const override;
  DecoderState start(const TitleInputs& titles) const override;
  at::Tensor step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                  const at::Tensor& title) const override;

  at::Tensor id_head() const override;
  // Only when the head is tied or the config has a text head.
  at::Tensor text_head() const override;

 protected:
  ParameterStore& store() override;
  const ParameterStore& store() const override;
  ComputeOptions& compute() override;
  void bind() override;

 private:
  std::unique_ptr<T5Weights> weights_;
};

}  // namespace tutti::trainer
