#include "launch/train/model_options.h"

#include <utility>

#include "launch/option_checks.h"

namespace tutti::launch {

void declare(Options& options, ModelArgs& a) {
  options
      .add("vocabulary", &a.vocabulary,
           "a spiece.model to use; empty: one is trained on the training titles")
      .add("vocabulary-size", &a.vocabulary_size, "pieces of the trained vocabulary, at most")
      .add("d-model", &a.t5.d_model, "width")
      .add("d-kv", &a.t5.d_kv, "width of an attention head")
      .add("num-heads", &a.t5.num_heads, "attention heads")
      .add("d-ff", &a.t5.d_ff, "width of the feed-forward layers")
      .add("num-layers", &a.t5.num_layers, "encoder layers")
      .add("num-decoder-layers", &a.t5.num_decoder_layers, "decoder layers")
      .add("start-ids", &a.start_ids,
           "rows of ID tokens start from: codebook (their vectors, projected) | random");
}

void check(const ModelArgs& a) {
  require_at_least("--vocabulary-size", a.vocabulary_size, 300);
  for (const auto& [option, value] : {std::pair("--d-model", a.t5.d_model),
                                      {"--d-kv", a.t5.d_kv},
                                      {"--num-heads", a.t5.num_heads},
                                      {"--d-ff", a.t5.d_ff},
                                      {"--num-layers", a.t5.num_layers},
                                      {"--num-decoder-layers", a.t5.num_decoder_layers}}) {
    require_at_least(option, value, 1);
  }
  require_one_of("--start-ids", a.start_ids, {"codebook", "random"});
}

}  // namespace tutti::launch
