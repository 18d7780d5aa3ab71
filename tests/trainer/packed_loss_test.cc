// The packed loss and its gradients against the plain way: one (title, track) pair at a time, the
// title encoded again for each, the ID decoded token by token.
#include <limits>
#include <numeric>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"
#include "trainer/loss.h"

namespace tutti::trainer {
namespace {

using checkpoints::Softmax;

// The logits of one position over all that it is normalised over, and where the ID tokens begin.
at::Tensor plain_logits(const T5Model& model, const at::Tensor& hidden, Softmax softmax) {
  const at::Tensor ids = at::matmul(hidden, model.id_head().t());
  if (softmax != Softmax::kFull) return ids.view({-1});
  return at::cat({at::matmul(hidden, model.text_head().t()), ids}, 1).view({-1});
}

at::Tensor pair_loss(const T5Model& model, const ids::IdTable& table, const ids::Trie& trie,
                     Softmax softmax, const OwnedGroup& group, int32_t track) {
  const std::vector<int64_t> title(group.title_tokens.begin(), group.title_tokens.end());
  const at::Tensor lengths = at::tensor(at::ArrayRef<int64_t>({std::ssize(title)}), at::kLong);
  const at::Tensor encoded = model.encode(at::tensor(title, at::kLong).view({1, -1}), lengths);
  const int64_t first_id = softmax == Softmax::kFull ? model.config().text_rows : 0;
  DecoderState state = model.start(encoded, lengths);
  const at::Tensor row = at::zeros({1}, at::kLong);
  at::Tensor loss = at::zeros({}, at::kFloat);
  int32_t node = 0;
  const auto id = table.id_of(track);
  for (size_t depth = 0; depth < id.size(); ++depth) {
    const at::Tensor input = at::full({1}, depth == 0 ? -1 : id[depth - 1], at::kLong);
    const at::Tensor logits = plain_logits(model, model.step(state, input, row, row), softmax);
    at::Tensor mask = at::zeros_like(logits).detach();
    const ids::IdLevel level = table.levels[depth];
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    if (softmax == Softmax::kTrie || (softmax == Softmax::kLevel && depth + 1 == id.size())) {
      mask.fill_(kNever);
      for (int32_t token : trie.tokens_of(node)) mask[first_id + token] = 0.0;
    } else if (softmax == Softmax::kLevel) {
      mask.fill_(kNever);
      mask.narrow(0, level.first_token, level.num_tokens).zero_();
    }
    loss = loss - at::log_softmax(logits + mask, 0)[first_id + id[depth]];
    node = trie.find(node, id[depth]);
  }
  return loss;
}

struct Case {
  Softmax softmax;
  Weighting weighting;
  bool tied = false;
  bool text = false;  // IDs
};

class PackedLoss : public testing::TestWithParam<Case> {};

TEST_P(PackedLoss, AndEveryGradientEqualThePlainComputationPairByPair) {
  const auto [softmax, weighting, tied, text] = GetParam();
  const ids::IdTable table = text ? random_text_table(300, 5, 3) : random_id_table(300, 5, 3);
  const ids::Trie trie = ids::build_trie(table);
  T5Config config = small_t5(table);
  config.tie_word_embeddings = config.scale_decoder_outputs = tied;
  config.text_head = !tied && softmax == Softmax::kFull;
  T5Model model(config);
  model.initialize(11);
  at::set_num_threads(1);  // tiny products: threads only get in each other's way
  const std::vector<OwnedGroup> owned = random_groups(6, 300, 15, 5);
  std::vector<TitleGroup> groups;
  for (const OwnedGroup& g : owned) groups.push_back({g.title_tokens, g.tracks});

  const PackedBatch batch = pack(groups, table, trie, {.weighting = weighting, .softmax = softmax});
  std::vector<double> by_level;
  const at::Tensor packed = packed_loss(model, batch, table, &by_level);
  packed.backward();
  std::vector<at::Tensor> packed_grad_of;
  for (const Parameter& p : model.parameters()) packed_grad_of.push_back(p.value.grad().clone());

  model.zero_gradients();
  double plain = 0;
  for (const OwnedGroup& group : owned) {
    const double weight =
        weighting == Weighting::kPair ? 1.0 : 1.0 / static_cast<double>(group.tracks.size());
    for (int32_t track : group.tracks) {
      const at::Tensor loss = pair_loss(model, table, trie, softmax, group, track) * weight;
      loss.backward();
      plain += loss.item<double>();
    }
  }

  EXPECT_NEAR(packed.item<double>() / plain, 1.0, 1e-5);
  EXPECT_EQ(std::ssize(by_level), batch.max_depth);
  EXPECT_NEAR(std::accumulate(by_level.begin(), by_level.end(), 0.0) / plain, 1.0, 1e-5);
  for (size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter& p = model.parameters()[i];
    const double reference = p.value.grad().norm().item<double>();
    const double difference = (packed_grad_of[i] - p.value.grad()).norm().item<double>();
    EXPECT_GT(reference, 0) << p.name << " gets no gradient: the test would not see an error";
    EXPECT_LE(difference, 1e-5 * reference) << p.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, PackedLoss,
                         testing::Values(Case{Softmax::kLevel, Weighting::kPair},
                                         Case{Softmax::kLevel, Weighting::kPlaylist},
                                         Case{Softmax::kTrie, Weighting::kPair},
                                         Case{Softmax::kIds, Weighting::kPair},
                                         Case{Softmax::kFull, Weighting::kPair},
                                         Case{Softmax::kLevel, Weighting::kPair, /*tied=*/true},
                                         Case{Softmax::kFull, Weighting::kPair, /*tied=*/true},
                                         Case{Softmax::kIds, Weighting::kPair, false, true},
                                         Case{Softmax::kTrie, Weighting::kPair, false, true},
                                         Case{Softmax::kFull, Weighting::kPair, true, true}),
                         [](const auto& instance) {
                           return std::string(checkpoints::name_of(instance.param.softmax)) +
                                  (instance.param.weighting == Weighting::kPair ? "Pair"
                                                                                : "Playlist") +
                                  (instance.param.tied ? "Tied" : "") +
                                  (instance.param.text ? "OfText" : "");
                         });

TEST(PackedLossOfFrozenParts, GivesTheOthersTheGradientsThatTheyHaveWhenAllIsTrained) {
  const ids::IdTable table = random_id_table(300, 5, 3);
  const ids::Trie trie = ids::build_trie(table);
  const std::vector<OwnedGroup> owned = random_groups(3, 300, 15, 5);
  std::vector<TitleGroup> groups;
  for (const OwnedGroup& g : owned) groups.push_back({g.title_tokens, g.tracks});
  const PackedBatch batch = pack(groups, table, trie);
  T5Model whole(small_t5(table));
  whole.initialize(11);
  packed_loss(whole, batch, table).backward();
  for (const TrainedPart part : {TrainedPart::kIdRows, TrainedPart::kDecoder}) {
    T5Model model(small_t5(table), part);
    model.initialize(11);
    packed_loss(model, batch, table).backward();
    int64_t trained = 0;
    for (const Parameter& p : model.parameters()) {
      EXPECT_EQ(p.value.requires_grad(), p.trainable);
      EXPECT_EQ(p.value.grad().defined(), p.trainable) << p.name;
      if (!p.trainable) continue;
      trained += p.value.numel();
      EXPECT_TRUE(p.value.grad().equal(whole.find(p.name)->value.grad())) << p.name;
      EXPECT_GT(p.value.grad().norm().item<double>(), 0) << p.name;
    }
    EXPECT_EQ(model.num_parameters(), trained);
    EXPECT_LT(model.flat_grads().numel(), whole.flat_grads().numel());
    EXPECT_FALSE(model.find("shared.weight")->trainable);
    EXPECT_EQ(model.find("decoder.final_layer_norm.weight")->trainable,
              part == TrainedPart::kDecoder);
  }
}

TEST(PackedLossOfSingleTrack, IsTheSameInAnyCompany) {
  // A title's share of the loss does not depend on which other titles (longer ones, with more
  // nodes) are packed with it.
  const ids::IdTable table = random_id_table(300, 5, 3);
  const ids::Trie trie = ids::build_trie(table);
  T5Model model(small_t5(table));
  model.initialize(11);
  const std::vector<OwnedGroup> owned = random_groups(5, 300, 30, 5);
  double separate = 0;
  std::vector<TitleGroup> groups;
  for (const OwnedGroup& g : owned) {
    const TitleGroup group{g.title_tokens, g.tracks};
    separate += packed_loss(model, pack(std::span(&group, 1), table, trie), table).item<double>();
    groups.push_back(group);
  }
  const double together = packed_loss(model, pack(groups, table, trie), table).item<double>();
  EXPECT_NEAR(together / separate, 1.0, 1e-5);
}

}  // namespace
}  // namespace tutti::trainer
