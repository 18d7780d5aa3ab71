#include "checkpoints/export/hf_parts.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

// tests/conformance runs it.
constexpr std::string_view kLoading = R"md(
## Load it and get valid IDs

transformers has no class for the pair: its own T5 gets its own BertModel for an encoder, and
cross-attention of the encoder's width.

```python
import bisect, json
import torch
from safetensors.torch import load_file
from transformers import (AutoTokenizer, BertConfig, BertModel, GenerationConfig, T5Config,
                          T5ForConditionalGeneration)
from transformers.modeling_outputs import BaseModelOutput

class Encoder(torch.nn.Module):
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=False)

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        read = self.bert(input_ids=input_ids, attention_mask=attention_mask)
        return BaseModelOutput(last_hidden_state=read.last_hidden_state)

def load(folder):
    config = json.load(open(folder + "/config.json", encoding="utf-8"))
    model = T5ForConditionalGeneration(T5Config(**config["decoder"]))
    for block in model.decoder.block:
        cross = block.layer[1].EncDecAttention
        cross.k, cross.v = (torch.nn.Linear(config["encoder"]["hidden_size"], cross.inner_dim, bias=False)
                            for _ in "kv")
    model.encoder = Encoder(BertConfig(**config["encoder"]))
    left = model.load_state_dict(load_file(folder + "/model.safetensors"), strict=False)
    assert not left.unexpected_keys and left.missing_keys == ["decoder.embed_tokens.weight"]  # it is shared
    model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.eval()

tokenizer = AutoTokenizer.from_pretrained(folder)
model = load(folder)
)md";

constexpr std::string_view kDifferences =
    R"md(- A title longer than the encoder's learned positions is an error in transformers; in tutti the
  tokens beyond share the last position.
- Text that spells a special token ("[SEP]") becomes that token in transformers and stays text in
  tutti.
)md";

}  // namespace

std::string_view pair_loading() {
  return kLoading;
}
std::string_view pair_differences() {
  return kDifferences;
}

nlohmann::json pair_config(const T5Config& t5, const ExportSource& source) {
  const BertConfig& bert = t5.encoder.value();
  nlohmann::json decoder = hf_config(t5, source);
  nlohmann::json config = {{"model_type", "tutti-bert-t5"},
                           {"is_encoder_decoder", true},
                           {"vocab_size", t5.vocab_size()},
                           {"decoder_start_token_id", decoder.at("decoder_start_token_id")},
                           {"torch_dtype", "float32"},
                           {"tutti", decoder.at("tutti")}};
  for (const char* of_the_pair : {"architectures", "tutti"}) decoder.erase(of_the_pair);
  config["decoder"] = std::move(decoder);
  config["encoder"] = to_json(bert);
  config["encoder"].erase("arch");
  config["encoder"].update({{"model_type", "bert"},
                            {"architectures", {"BertModel"}},
                            {"hidden_act", "gelu"},
                            {"pad_token_id", 0},
                            {"hidden_dropout_prob", 0.0},
                            {"attention_probs_dropout_prob", 0.0}});
  return config;
}

nlohmann::json pair_tokenizer_config(const T5Config& t5) {
  return {{"tokenizer_class", "PreTrainedTokenizerFast"},
          {"model_input_names", {"input_ids", "attention_mask"}},
          {"model_max_length", t5.encoder.value().max_position_embeddings},
          {"clean_up_tokenization_spaces", false},
          {"pad_token", "[PAD]"},
          {"unk_token", "[UNK]"},
          {"cls_token", "[CLS]"},
          {"sep_token", "[SEP]"}};
}

}  // namespace tutti::checkpoints
