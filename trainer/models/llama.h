#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "checkpoints/llama_config.h"
#include "trainer/models/id_model.h"
#include "trainer/models/training_form.h"

namespace tutti::trainer {

struct LlamaWeights;

// Llama, Qwen2 and Qwen3 as HF names them: one decoder reads the title and goes on with the ID. The
// hidden state of a title's last token predicts the first ID token. ID rows lie apart from text
// rows, as in T5Model: "id_embedding.weight" and, untied, "lm_head.id.weight" [id_tokens,
// hidden_size]. Has no dropout. With config().lora all but ID rows and adapters is frozen, whatever
// part is trained.
class LlamaModel final : public IdModel {
 public:
  // Parameters allocated, not initialised. A tied text vocabulary whose gradient is kept sparse has
  // no head for text.
  explicit LlamaModel(const checkpoints::LlamaConfig& config,
                      TrainedPart trained = TrainedPart::kAll,
                      TextRows text_rows = TextRows::kDense);
  ~LlamaModel() override;
  LlamaModel(LlamaModel&&) noexcept;

  const checkpoints::LlamaConfig& config() const;
  nlohmann::json shape() const override;
  int64_t width() const override;
  int64_t id_tokens() const override;
  int64_t text_rows() const override;
  RowDeviation id_row_deviation() const override;
  UnitFlops unit_flops() const override;

  // HF's initialisation: matrices from N(0, 0.02), norms 1, biases 0; adapters as peft.
  void initialize(uint64_t seed) override;

  // A title runs once, whatever the number of its IDs: nodes attend to its keys and values.
  at::Tensor tree_hidden(const TitleInputs& titles, const TreeInputs& tree,
                         const StepDropout& step) const override;
  DecoderState start(const TitleInputs& titles) const override;
  at::Tensor step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                  const at::Tensor& title) const override;

  at::Tensor id_head() const override;
  // Only when the head is tied to dense rows or the config has a text head.
  at::Tensor text_head() const override;

 protected:
  ParameterStore& store() override;
  const ParameterStore& store() const override;
  ComputeOptions& compute() override;
  void bind() override;

 private:
  std::unique_ptr<LlamaWeights> weights_;
};

}  // namespace tutti::trainer
