#include "trainer/models/llama.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "trainer/models/adapters.h"
#include "trainer/models/checkpointed.h"
#include "trainer/models/linear.h"
#include "trainer/models/llama_weights.h"
#include "trainer/models/title_rows.h"

namespace tutti::trainer {
namespace {

constexpr double kDeviation = 0.02;  // HF's initializer_range

std::span<const int64_t> integers(const at::Tensor& t) {
  return {t.const_data_ptr<int64_t>(), static_cast<size_t>(t.numel())};
}

// The title tokens' rows: begin[b] to begin[b + 1] are those of title b.
std::vector<int64_t> begins_of(std::span<const int64_t> lengths) {
  std::vector<int64_t> begin(lengths.size() + 1, 0);
  for (size_t b = 0; b < lengths.size(); ++b) begin[b + 1] = begin[b] + lengths[b];
  return begin;
}

// Lists under construction, a query after the other.
class KeyLists {
 public:
  KeyLists(int64_t num_queries, int64_t longest)
      : longest_(longest),
        lists_{.keys = at::zeros({num_queries, longest}, at::kLong),
               .counts = at::zeros({num_queries}, at::kLong),
               .position = {},
               .dropout = {}} {}

  void next_query() { ++query_; }
  void add(int64_t key) {
    int64_t& count = lists_.counts.mutable_data_ptr<int64_t>()[query_];
    lists_.keys.mutable_data_ptr<int64_t>()[query_ * longest_ + count++] = key;
  }
  void add_rows(int64_t first, int64_t last) {
    for (int64_t key = first; key < last; ++key) add(key);
  }
  AttentionLists on(at::Device device) const { return on_device(lists_, device); }

 private:
  int64_t longest_, query_ = -1;
  AttentionLists lists_;
};

// A title token attends to itself and to the tokens before it.
void add_titles(KeyLists& lists, const std::vector<int64_t>& begin) {
  for (size_t b = 0; b + 1 < begin.size(); ++b) {
    for (int64_t row = begin[b]; row < begin[b + 1]; ++row) {
      lists.next_query();
      lists.add_rows(begin[b], row + 1);
    }
  }
}

int64_t longest_of(std::span<const int64_t> lengths) {
  return *std::max_element(lengths.begin(), lengths.end());
}

at::Tensor finish(const LlamaWeights& m, const at::Tensor& x) {
  return rms_norm(x, m.norm, m.config.rms_norm_eps);
}
at::Tensor finish(const LlamaWeights& m, const at::Tensor& x, const std::vector<int64_t>& rows) {
  return finish(m, x.index_select(0, at::tensor(rows, at::kLong).to(m.device())));
}

}  // namespace

LlamaModel::LlamaModel(const checkpoints::LlamaConfig& config, TrainedPart trained,
                       TextRows text_rows)
    : weights_(std::make_unique<LlamaWeights>(config, trained, text_rows)) {}
LlamaModel::~LlamaModel() = default;
LlamaModel::LlamaModel(LlamaModel&&) noexcept = default;

const checkpoints::LlamaConfig& LlamaModel::config() const {
  return weights_->config;
}
nlohmann::json LlamaModel::shape() const {
  return checkpoints::to_json(config());
}
int64_t LlamaModel::width() const {
  return config().hidden_size;
}
int64_t LlamaModel::id_tokens() const {
  return config().id_tokens;
}
int64_t LlamaModel::text_rows() const {
  return config().text_rows;
}
RowDeviation LlamaModel::id_row_deviation() const {
  return {.read = kDeviation, .head = kDeviation};
}
ParameterStore& LlamaModel::store() {
  return weights_->parameters;
}
const ParameterStore& LlamaModel::store() const {
  return weights_->parameters;
}
ComputeOptions& LlamaModel::compute() {
  return weights_->compute;
}
void LlamaModel::bind() {
  weights_->bind();
}

void LlamaModel::initialize(uint64_t seed) {
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters().size(); ++i) {
    Parameter& p = parameters()[i];
    if (p.name.ends_with(".bias")) {
      p.value.zero_();
    } else if (p.shape.size() == 1) {  // a norm
      p.value.fill_(1.0);
    } else {
      const double deviation = checkpoints::is_adapter(p.name) ? adapter_deviation(p) : kDeviation;
      Rng rng(seed, Purpose::kModelInit, i);
      float* out = p.value.mutable_data_ptr<float>();
      for (int64_t k = 0; k < p.value.numel(); ++k) {
        out[k] = static_cast<float>(deviation * rng.normal());
      }
    }
  }
}

at::Tensor LlamaModel::id_head() const {
  return weights_->id_head;
}
at::Tensor LlamaModel::text_head() const {
  TUTTI_CHECK(weights_->text_head.defined(), "the model has a head for text");
  return weights_->text_head;
}

// Title tokens and nodes run through the same layers: forward, backward for the input (ID rows are
// always trained) and, where they are trained, for the weights.
UnitFlops LlamaModel::unit_flops() const {
  const bool trains = weights_->layers.front().attention_norm.requires_grad();
  double row = llama_row_flops(config()) * (trains ? 3 : 2);
  for (const Parameter& p : parameters()) {
    if (checkpoints::is_adapter(p.name)) row += 6 * static_cast<double>(p.value.numel());
  }
  const double pair = 4.0 * static_cast<double>(config().num_hidden_layers * config().query_dim());
  return {.title_token = row,
          .node = row,
          .column = 2 * static_cast<double>(config().hidden_size) * 3,
          .title_pair = pair * 3 / 2,  // a token sees half of its title
          .node_pair = pair * 3};
}

at::Tensor LlamaModel::tree_hidden(const TitleInputs& titles, const TreeInputs& tree,
                                   const StepDropout& step) const {
  TUTTI_CHECK(!step.dropout.is_on(), "Llama has no dropout");
  const LlamaWeights& m = *weights_;
  const TitleRows rows = title_rows(titles);
  const auto lengths = integers(titles.lengths), title = integers(tree.title),
             depth = integers(tree.depth), path = integers(tree.ancestors);
  const std::vector<int64_t> begin = begins_of(lengths);
  const int64_t num_titles = std::ssize(lengths), num_nodes = std::ssize(title),
                num_tokens = begin.back(), max_depth = tree.ancestors.size(1);

  // Rows are the title tokens, then the nodes that read an ID token: a title's start node is its
  // last token.
  std::vector<int64_t> position = rows.position, hidden_rows;
  KeyLists lists(num_tokens + num_nodes - num_titles, longest_of(lengths) + max_depth);
  add_titles(lists, begin);
  for (int64_t b = 0; b < num_titles; ++b) hidden_rows.push_back(begin[b + 1] - 1);
  for (int64_t i = num_titles; i < num_nodes; ++i) {
    position.push_back(lengths[title[i]] + depth[i] - 1);
    hidden_rows.push_back(num_tokens + i - num_titles);
    lists.next_query();
    lists.add_rows(begin[title[i]], begin[title[i] + 1]);
    for (int64_t d = 1; d <= depth[i]; ++d) {
      lists.add(num_tokens + path[i * max_depth + d] - num_titles);
    }
  }
  const Rotation rotation = rotation_of(m.config, position, m.device());

  const AttentionLists keys = lists.on(m.device());
  at::Tensor x = gather_rows(m.text, at::tensor(rows.tokens, at::kLong));
  if (num_nodes > num_titles) {
    x = at::cat(
        {x, gather_rows(m.id_embedding, tree.input.narrow(0, num_titles, num_nodes - num_titles))});
  }
  for (const LlamaLayer& layer : m.layers) {
    const auto block = [&m, &layer, rotation, keys](const std::vector<at::Tensor>& in) {
      return llama_layer(m.config, layer, in[0], rotation, keys);
    };
    x = m.compute.checkpoint_activations ? checkpointed(block, {x}) : block({x});
  }
  return finish(m, x, hidden_rows);
}

DecoderState LlamaModel::start(const TitleInputs& titles) const {
  const LlamaWeights& m = *weights_;
  const TitleRows rows = title_rows(titles);
  const auto lengths = integers(titles.lengths);
  const std::vector<int64_t> begin = begins_of(lengths);
  KeyLists lists(begin.back(), longest_of(lengths));
  add_titles(lists, begin);
  const Rotation rotation = rotation_of(m.config, rows.position, m.device());
  DecoderState state;
  state.lengths = titles.lengths;
  const AttentionLists keys = lists.on(m.device());
  at::Tensor x = gather_rows(m.text, at::tensor(rows.tokens, at::kLong));
  for (const LlamaLayer& layer : m.layers) {
    x = llama_layer(m.config, layer, x, rotation, keys, {}, &state.cross_kv.emplace_back());
  }
  std::vector<int64_t> last(begin.begin() + 1, begin.end());
  for (int64_t& row : last) --row;
  state.title_hidden = finish(m, x, last);
  state.self_kv.resize(m.layers.size());
  return state;
}

at::Tensor LlamaModel::step(DecoderState& state, const at::Tensor& inputs, const at::Tensor& parent,
                            const at::Tensor& title) const {
  const LlamaWeights& m = *weights_;
  const int64_t num_rows = title.size(0);
  if (!state.paths.defined()) {
    state.paths = at::empty({num_rows, 0}, at::kLong);
    return state.title_hidden.index_select(0, title.to(m.device()));
  }
  // A row's path is its parent's path and the row that it adds to the cache.
  const int64_t cached = state.self_kv[0].defined() ? state.self_kv[0].size(0) : 0;
  const at::Tensor own = at::arange(cached, cached + num_rows, at::kLong).unsqueeze(1);
  state.paths = at::cat({state.paths.index_select(0, parent), own}, 1);
  const int64_t depth = state.paths.size(1);
  const auto lengths = integers(state.lengths), title_of = integers(title),
             path = integers(state.paths);
  const std::vector<int64_t> begin = begins_of(lengths);
  std::vector<int64_t> position;
  KeyLists lists(num_rows, longest_of(lengths) + depth);
  for (int64_t i = 0; i < num_rows; ++i) {
    position.push_back(lengths[title_of[i]] + depth - 1);
    lists.next_query();
    lists.add_rows(begin[title_of[i]], begin[title_of[i] + 1]);
    for (int64_t d = 0; d < depth; ++d) lists.add(begin.back() + path[i * depth + d]);
  }
  const Rotation rotation = rotation_of(m.config, position, m.device());
  const AttentionLists keys = lists.on(m.device());
  at::Tensor x = gather_known_rows(m.id_embedding, inputs);
  for (size_t layer = 0; layer < m.layers.size(); ++layer) {
    at::Tensor &cache = state.self_kv[layer], added;
    const at::Tensor before =
        cache.defined() ? at::cat({state.cross_kv[layer], cache}) : state.cross_kv[layer];
    x = llama_layer(m.config, m.layers[layer], x, rotation, keys, before, &added);
    cache = cache.defined() ? at::cat({cache, added}) : added;
  }
  return finish(m, x);
}

}  // namespace tutti::trainer
