// The packed loss and its gradients against the plain way: one (title, track) pair at a time, the
// title encoded again for each, the ID decoded token by token.
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"
#include "trainer/loss.h"

namespace tutti::trainer {
namespace {

at::Tensor pair_loss(const T5Model& model, const ids::IdTable& table, const ids::Trie& trie,
                     const OwnedGroup& group, int32_t track) {
  const std::vector<int64_t> title(group.title_tokens.begin(), group.title_tokens.end());
  const at::Tensor lengths = at::tensor(at::ArrayRef<int64_t>({std::ssize(title)}), at::kLong);
  const at::Tensor encoded = model.encode(at::tensor(title, at::kLong).view({1, -1}), lengths);
  DecoderState state = model.start(encoded, lengths);
  const at::Tensor row = at::zeros({1}, at::kLong);
  at::Tensor loss = at::zeros({}, at::kFloat);
  int32_t node = 0;
  const auto id = table.id_of(track);
  for (size_t depth = 0; depth < id.size(); ++depth) {
    const at::Tensor input = at::full({1}, depth == 0 ? -1 : id[depth - 1], at::kLong);
    const at::Tensor hidden = model.step(state, input, row, row);
    const ids::IdLevel level = table.levels[depth];
    at::Tensor logits = model.logits(hidden, level.first_token, level.num_tokens).view({-1});
    if (depth + 1 == id.size()) {
      at::Tensor mask =
          at::full({level.num_tokens}, -std::numeric_limits<float>::infinity(), at::kFloat);
      for (int32_t token : trie.tokens_of(node)) mask[token - level.first_token] = 0.0;
      logits = logits + mask;
    }
    loss = loss - at::log_softmax(logits, 0)[id[depth] - level.first_token];
    node = trie.find(node, id[depth]);
  }
  return loss;
}

class PackedLoss : public testing::TestWithParam<Weighting> {};

TEST_P(PackedLoss, AndEveryGradientEqualThePlainComputationPairByPair) {
  const ids::IdTable table = random_id_table(300, 5, 3);
  const ids::Trie trie = ids::build_trie(table);
  T5Model model(small_t5(table));
  model.initialize(11);
  at::set_num_threads(1);  // tiny products: threads only get in each other's way
  const std::vector<OwnedGroup> owned = random_groups(6, 300, 15, 5);
  std::vector<TitleGroup> groups;
  for (const OwnedGroup& g : owned) groups.push_back({g.title_tokens, g.tracks});

  const PackedBatch batch = pack(groups, table, trie, {.weighting = GetParam()});
  const at::Tensor packed = packed_loss(model, batch, table);
  packed.backward();
  const at::Tensor packed_grads = model.flat_grads().clone();
  std::vector<at::Tensor> packed_grad_of;
  for (const Parameter& p : model.parameters()) packed_grad_of.push_back(p.value.grad().clone());

  model.flat_grads().zero_();
  double plain = 0;
  for (const OwnedGroup& group : owned) {
    const double weight =
        GetParam() == Weighting::kPair ? 1.0 : 1.0 / static_cast<double>(group.tracks.size());
    for (int32_t track : group.tracks) {
      const at::Tensor loss = pair_loss(model, table, trie, group, track) * weight;
      loss.backward();
      plain += loss.item<double>();
    }
  }

  EXPECT_NEAR(packed.item<double>() / plain, 1.0, 1e-5);
  for (size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter& p = model.parameters()[i];
    const double reference = p.value.grad().norm().item<double>();
    const double difference = (packed_grad_of[i] - p.value.grad()).norm().item<double>();
    EXPECT_GT(reference, 0) << p.name << " gets no gradient: the test would not see an error";
    EXPECT_LE(difference, 1e-5 * reference) << p.name;
  }
  EXPECT_GT(packed_grads.norm().item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Weightings, PackedLoss,
                         testing::Values(Weighting::kPair, Weighting::kPlaylist),
                         [](const auto& instance) {
                           return instance.param == Weighting::kPair ? "Pair" : "Playlist";
                         });

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
    separate += packed_loss(model, pack(std::span(&group, 1), table, trie), table)
                    .item<double>();
    groups.push_back(group);
  }
  const double together =
      packed_loss(model, pack(groups, table, trie), table).item<double>();
  EXPECT_NEAR(together / separate, 1.0, 1e-5);
}

}  // namespace
}  // namespace tutti::trainer
