#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "checkpoints/import/bert.h"
#include "checkpoints/import/hf.h"
#include "checkpoints/import/llama.h"
#include "checkpoints/softmax.h"
#include "trainer/models/t5.h"

namespace tutti::trainer {

// What became of the tensors of a model that training starts from. Names are HF's where something
// was read or ignored, ours where rows were added.
struct BaseReport {
  std::vector<std::string> loaded, added;
  std::vector<checkpoints::IgnoredTensor> ignored;
  int64_t num_loaded_values = 0;
};
nlohmann::json to_json(const BaseReport& report);

// The shape of a model for `id_tokens` that starts from a base. Its head gets text rows only under
// the softmax that reaches them.
T5Config config_from_base(const checkpoints::HfT5& base, int64_t id_tokens,
                          checkpoints::Softmax softmax);
checkpoints::LlamaConfig config_from_base(const checkpoints::LlamaSource& base, int64_t id_tokens,
                                          checkpoints::Softmax softmax);

// Fills a model of that shape, all but its ID rows and adapters: these keep what they hold.
BaseReport load_base(IdModel& model, const checkpoints::HfT5& base);
BaseReport load_base(IdModel& model, const checkpoints::LlamaSource& base);

// `decoder` over this encoder: its cross-attention reads the encoder's token states.
T5Config config_from_encoder(const checkpoints::BertSource& base, T5Config decoder,
                             int64_t id_tokens);
// Fills the encoder of a model of that shape; the decoder keeps what it holds.
BaseReport load_encoder(IdModel& model, const checkpoints::BertSource& base);

}  // namespace tutti::trainer
