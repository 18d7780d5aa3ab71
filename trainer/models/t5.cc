#include "trainer/models/t5.h"

#include <algorithm>
#include <cmath>

#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "trainer/models/adapters.h"
#include "trainer/models/t5_weights.h"

namespace tutti::trainer {
namespace {

// The standard deviation that HF initialises a matrix with.
double initial_deviation(const std::string& name, const T5Config& c) {
  const auto power = [](int64_t n) { return std::pow(static_cast<double>(n), -0.5); };
  if (name.starts_with("bert.")) return kBertDeviation;
  if (name == "shared.weight" || name == "id_embedding.weight") return 1.0;
  if (name.ends_with("EncDecAttention.k.weight") || name.ends_with("EncDecAttention.v.weight")) {
    return power(c.encoder_width());
  }
  if (name.ends_with(".q.weight")) return power(c.d_model * c.d_kv);
  if (name.ends_with(".o.weight")) return power(c.inner_dim());
  if (name.ends_with(".wo.weight")) return power(c.d_ff);
  return power(c.d_model);
}

}  // namespace

T5Model::T5Model(const T5Config& config, TrainedPart trained, TextRows text_rows)
    : weights_(std::make_unique<T5Weights>(config, trained, text_rows)) {}
T5Model::~T5Model() = default;
T5Model::T5Model(T5Model&&) noexcept = default;

const T5Config& T5Model::config() const {
  return weights_->config;
}
nlohmann::json T5Model::shape() const {
  return to_json(config());
}
int64_t T5Model::width() const {
  return config().d_model;
}
int64_t T5Model::id_tokens() const {
  return config().id_tokens;
}
int64_t T5Model::text_rows() const {
  return config().text_rows;
}
RowDeviation T5Model::id_row_deviation() const {
  return {.read = 1.0, .head = std::pow(static_cast<double>(width()), -0.5)};
}
TitleMemo* T5Model::title_memo() {
  return weights_->memo ? &*weights_->memo : nullptr;
}
ParameterStore& T5Model::store() {
  return weights_->parameters;
}
const ParameterStore& T5Model::store() const {
  return weights_->parameters;
}
ComputeOptions& T5Model::compute() {
  return weights_->compute;
}
void T5Model::bind() {
  weights_->bind();
}

void T5Model::initialize(uint64_t seed) {
  const c10::NoGradGuard no_grad;
  if (weights_->memo) weights_->memo->clear();
  for (size_t i = 0; i < parameters().size(); ++i) {
    Parameter& p = parameters()[i];
    if (p.name.ends_with("layer_norm.weight") || p.name.ends_with("LayerNorm.weight")) {
      p.value.fill_(1.0);
      continue;
    }
    if (p.name.starts_with("bert.") && p.name.ends_with(".bias")) continue;  // zero
    const double deviation = checkpoints::is_adapter(p.name) ? adapter_deviation(p)
                                                             : initial_deviation(p.name, config());
    Rng rng(seed, Purpose::kModelInit, i);
    float* out = p.value.mutable_data_ptr<float>();
    for (int64_t k = 0; k < p.value.numel(); ++k) {
      out[k] = static_cast<float>(deviation * rng.normal());
    }
  }
}

at::Tensor T5Model::id_head() const {
  return weights_->id_head;
}
at::Tensor T5Model::text_head() const {
  TUTTI_CHECK(weights_->text_head.defined(), "the model has a head for text");
  return weights_->text_head;
}

// Each product runs forward once; backward once for its input where something trained lies below
// it, and once for its weights where they are trained. ID rows always are. A frozen encoder has
// read every title before: no step pays for it.
UnitFlops T5Model::unit_flops() const {
  const T5Config& c = config();
  // Whether gradients run through a part, and whether its own matrices have some.
  const auto trains = [this](const char* prefix, bool is_whole = false) {
    return std::any_of(parameters().begin(), parameters().end(), [&](const Parameter& p) {
      return p.trainable && p.name.starts_with(prefix) &&
             !(is_whole && checkpoints::is_adapter(p.name));
    });
  };
  const auto adapters = [this](bool of_titles) {
    double flops = 0;
    for (const Parameter& p : parameters()) {
      const bool reads_titles = !p.name.starts_with("decoder.") ||
                                p.name.find("EncDecAttention.k") != std::string::npos ||
                                p.name.find("EncDecAttention.v") != std::string::npos;
      if (checkpoints::is_adapter(p.name) && reads_titles == of_titles) {
        flops += 6 * static_cast<double>(p.value.numel());
      }
    }
    return flops;
  };
  const auto d = static_cast<double>(c.d_model), inner = static_cast<double>(c.inner_dim());
  const double feed_forward =
      (c.feed_forward == FeedForwardForm::kGatedGelu ? 3.0 : 2.0) * d * static_cast<double>(c.d_ff);
  const auto encoder_layers = static_cast<double>(c.num_layers),
             decoder_layers = static_cast<double>(c.num_decoder_layers);
  const double encoder = trains("encoder.") || trains("bert.") ? 1 : 0;
  const double encoder_runs = weights_->memo ? 0 : 1;
  const double encoder_weights = trains("encoder.", true) || trains("bert.", true) ? 1 : 0;
  const double decoder = trains("decoder.", true) ? 1 : 0;
  const std::optional<BertEncoder>& bert = weights_->bert;
  const double token =
      bert ? bert->token_flops() : 2 * encoder_layers * (4 * d * inner + feed_forward);
  const double pair = bert ? bert->pair_flops() : 4 * encoder_layers * inner;
  const double cross_kv = 4 * decoder_layers * static_cast<double>(c.encoder_width()) * inner;
  return {.title_token = token * (encoder_runs + encoder + encoder_weights) +
                         cross_kv * (1 + decoder + encoder) + adapters(/*of_titles=*/true),
          .node = 2 * decoder_layers * (6 * d * inner + feed_forward) * (2 + decoder) +
                  adapters(/*of_titles=*/false),
          .column = 2 * d * 3,
          .title_pair = pair * (encoder_runs + 2 * encoder),
          .node_pair = 4 * decoder_layers * inner * 3};
}

at::Tensor T5Model::tree_hidden(const TitleInputs& titles, const TreeInputs& tree,
                                const StepDropout& step) const {
  return decode_tree(encode(titles.tokens, titles.lengths, step), titles.lengths, tree, step);
}
DecoderState T5Model::start(const TitleInputs& titles) const {
  return start(encode(titles.tokens, titles.lengths), titles.lengths);
}

}  // namespace tutti::trainer
