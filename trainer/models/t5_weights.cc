#include "trainer/models/t5_weights.h"

#include "dist/runtime/errors.h"
#include "trainer/models/t5_layers.h"

namespace tutti::trainer {
namespace {

bool is_trained(const std::string& name, const T5Config& config, TrainedPart part) {
  const bool is_id_row = name == "id_embedding.weight" || name == "lm_head.id.weight";
  // Over an encoder with adapters the decoder is new.
  if (config.lora) return is_id_row || config.encoder;
  switch (part) {
    case TrainedPart::kAll:
      return true;
    case TrainedPart::kIdRows:
      return is_id_row;
    case TrainedPart::kDecoder:
      return is_id_row || name.starts_with("decoder.") || name == "lm_head.text.weight" ||
             (config.encoder && name == "shared.weight");  // what the decoder starts from
  }
  fail_check("a known part", "");
}

std::vector<std::string> qkv_names(const std::string& prefix) {
  return {prefix + "q.weight", prefix + "k.weight", prefix + "v.weight"};
}

std::vector<std::string> cross_kv_names(int64_t num_layers) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < num_layers; ++i) {
    const std::string prefix = "decoder.block." + std::to_string(i) + ".layer.1.EncDecAttention.";
    names.push_back(prefix + "k.weight");
    names.push_back(prefix + "v.weight");
  }
  return names;
}

// Declares the tensors of HF's T5ForConditionalGeneration, in the order of its modules.
class Declaration {
 public:
  Declaration(const T5Config& config, TrainedPart trained, TextRows text_rows,
              ParameterStore& store)
      : config_(config), trained_(trained), text_rows_(text_rows), store_(store) {}

  void all() {
    if (config_.tie_word_embeddings || text_rows_ == TextRows::kDense) {
      matrix("shared.weight", config_.text_rows, config_.d_model);
    } else {
      store_.declare_rows("shared.weight", {config_.text_rows, config_.d_model},
                          is_trained("shared.weight", config_, trained_));
    }
    matrix("id_embedding.weight", config_.read_ids(), config_.d_model);
    if (!config_.encoder) stack("encoder", config_.num_layers, /*is_decoder=*/false);
    stack("decoder", config_.num_decoder_layers, /*is_decoder=*/true);
    if (config_.tie_word_embeddings) return;
    if (config_.text_head) matrix("lm_head.text.weight", config_.text_rows, config_.d_model);
    matrix("lm_head.id.weight", config_.id_tokens, config_.d_model);
  }

 private:
  void declare(const std::string& name, std::vector<int64_t> shape, bool decay) {
    store_.declare(name, std::move(shape), decay, is_trained(name, config_, trained_));
  }
  void matrix(const std::string& name, int64_t rows, int64_t columns) {
    declare(name, {rows, columns}, /*decay=*/true);
  }
  void norm(const std::string& name) { declare(name, {config_.d_model}, /*decay=*/false); }

  void attention(const std::string& layer, const std::string& kind) {
    const std::string prefix = layer + "." + kind + ".";
    const int64_t read = kind == "EncDecAttention" ? config_.encoder_width() : config_.d_model;
    matrix(prefix + "q.weight", config_.inner_dim(), config_.d_model);
    matrix(prefix + "k.weight", config_.inner_dim(), read);
    matrix(prefix + "v.weight", config_.inner_dim(), read);
    if (kind == "SelfAttention") store_.place_together(qkv_names(prefix));
    matrix(prefix + "o.weight", config_.d_model, config_.inner_dim());
    norm(layer + ".layer_norm.weight");
  }
  void feed_forward(const std::string& layer) {
    const std::string prefix = layer + ".DenseReluDense.";
    if (config_.feed_forward == FeedForwardForm::kRelu) {
      matrix(prefix + "wi.weight", config_.d_ff, config_.d_model);
    } else {
      matrix(prefix + "wi_0.weight", config_.d_ff, config_.d_model);
      matrix(prefix + "wi_1.weight", config_.d_ff, config_.d_model);
      store_.place_together({prefix + "wi_0.weight", prefix + "wi_1.weight"});
    }
    matrix(prefix + "wo.weight", config_.d_model, config_.d_ff);
    norm(layer + ".layer_norm.weight");
  }
  void stack(const std::string& name, int64_t num_layers, bool is_decoder) {
    for (int64_t i = 0; i < num_layers; ++i) {
      const std::string block = name + ".block." + std::to_string(i) + ".layer.";
      attention(block + "0", "SelfAttention");
      if (i == 0) {
        declare(block + "0.SelfAttention.relative_attention_bias.weight",
                {config_.relative_attention_num_buckets, config_.num_heads},
                /*decay=*/false);
      }
      if (is_decoder) attention(block + "1", "EncDecAttention");
      feed_forward(block + (is_decoder ? "2" : "1"));
    }
    if (is_decoder) store_.place_together(cross_kv_names(num_layers));
    norm(name + ".final_layer_norm.weight");
  }

  const T5Config& config_;
  TrainedPart trained_;
  TextRows text_rows_;
  ParameterStore& store_;
};

SelfAttention self_attention_of(const ParameterStore& store, const std::string& layer) {
  const std::string prefix = layer + ".SelfAttention.";
  return {.qkv = store.weight(qkv_names(prefix)),
          .o = store.weight({prefix + "o.weight"}),
          .norm = store.value(layer + ".layer_norm.weight")};
}

CrossAttention cross_attention_of(const ParameterStore& store, const std::string& layer) {
  const std::string prefix = layer + ".EncDecAttention.";
  return {.q = store.weight({prefix + "q.weight"}),
          .o = store.weight({prefix + "o.weight"}),
          .norm = store.value(layer + ".layer_norm.weight")};
}

FeedForward feed_forward_of(const ParameterStore& store, const std::string& layer,
                            FeedForwardForm form) {
  const std::string prefix = layer + ".DenseReluDense.";
  const bool is_gated = form == FeedForwardForm::kGatedGelu;
  return {.wi = is_gated ? store.weight({prefix + "wi_0.weight", prefix + "wi_1.weight"})
                         : store.weight({prefix + "wi.weight"}),
          .wo = store.weight({prefix + "wo.weight"}),
          .norm = store.value(layer + ".layer_norm.weight")};
}

}  // namespace

T5Weights::T5Weights(const T5Config& shape, TrainedPart trained, TextRows text_rows)
    : config(shape) {
  if (config.encoder) {
    bert.emplace(*config.encoder, parameters,
                 /*trainable=*/trained == TrainedPart::kAll && !config.lora,
                 /*words_as_rows=*/text_rows == TextRows::kSparse);
  }
  if (trained != TrainedPart::kAll && !config.lora) {
    memo.emplace([this](const TitleInputs& titles) {
      return read(titles, std::make_shared<const DrawnDropout>());
    });
  }
  Declaration(config, trained, text_rows, parameters).all();
  if (config.lora) parameters.adapt(*config.lora, config.encoder ? "bert." : "");
  parameters.allocate();
  bind();
}

void T5Weights::bind() {
  const auto value = [this](const std::string& name) { return parameters.value(name); };
  shared = parameters.weight({"shared.weight"});
  id_embedding = parameters.weight({"id_embedding.weight"});
  if (config.tie_word_embeddings) {
    id_head = value("id_embedding.weight");
    text_head = value("shared.weight");
  } else {
    id_head = value("lm_head.id.weight");
    if (config.text_head) text_head = value("lm_head.text.weight");
  }
  const std::string bias = ".block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  if (memo) memo->clear();
  if (bert) {
    bert->bind(parameters);
  } else {
    encoder_bias = value("encoder" + bias);
    encoder_norm = value("encoder.final_layer_norm.weight");
  }
  decoder_bias = value("decoder" + bias);
  decoder_norm = value("decoder.final_layer_norm.weight");
  encoder.clear();
  decoder.clear();
  for (int64_t i = 0; !bert && i < config.num_layers; ++i) {
    const std::string block = "encoder.block." + std::to_string(i) + ".layer.";
    encoder.push_back({self_attention_of(parameters, block + "0"),
                       feed_forward_of(parameters, block + "1", config.feed_forward)});
  }
  for (int64_t i = 0; i < config.num_decoder_layers; ++i) {
    const std::string block = "decoder.block." + std::to_string(i) + ".layer.";
    decoder.push_back({self_attention_of(parameters, block + "0"),
                       cross_attention_of(parameters, block + "1"),
                       feed_forward_of(parameters, block + "2", config.feed_forward)});
  }
  cross_kv = parameters.weight(cross_kv_names(config.num_decoder_layers));
}

}  // namespace tutti::trainer
