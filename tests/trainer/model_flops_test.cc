#include "trainer/model_flops.h"

#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"

namespace tutti::trainer {
namespace {

// Elements of the weights that are multiplied with rows of a kind; `part` picks them by name.
template <typename Pick>
double elements(const T5Model& model, Pick pick) {
  double sum = 0;
  for (const Parameter& p : model.parameters()) {
    if (p.shape.size() == 2 && p.name.find("bias") == std::string::npos && pick(p.name))
      sum += static_cast<double>(p.value.numel());
  }
  return sum;
}
bool is_encoder(const std::string& name) {
  return name.starts_with("encoder.");
}
bool is_cross_kv(const std::string& name) {
  return name.find("EncDecAttention.k") != std::string::npos ||
         name.find("EncDecAttention.v") != std::string::npos;
}
bool is_decoder(const std::string& name) {
  return name.starts_with("decoder.") && !is_cross_kv(name);
}

class ModelFlopsTest : public testing::TestWithParam<TrainedPart> {
 protected:
  PackedBatch packed(checkpoints::Softmax softmax) {
    std::vector<TitleGroup> groups;
    for (const OwnedGroup& g : owned_) groups.push_back({g.title_tokens, g.tracks});
    return pack(groups, table_, trie_, {.softmax = softmax});
  }

  ids::IdTable table_ = random_id_table(300, 5, 3);
  ids::Trie trie_ = ids::build_trie(table_);
  std::vector<OwnedGroup> owned_ = random_groups(5, 300, 30, 5);
};

// Each weight meets each of its rows forward; backward once for the row, where something trained
// lies below, and once for the weight, where it is trained. What a frozen encoder made of a title
// is remembered.
TEST_P(ModelFlopsTest, CountEveryWeightForEveryRowItMeets) {
  const T5Model model(small_t5(table_), GetParam());
  const PackedBatch batch = packed(checkpoints::Softmax::kLevel);
  const bool all = GetParam() == TrainedPart::kAll, rows = GetParam() == TrainedPart::kIdRows;
  double tokens = 0, encoder_pairs = 0, decoder_pairs = 0, head = 0;
  for (const int64_t length : batch.title_lengths) {
    tokens += static_cast<double>(length);
    encoder_pairs += static_cast<double>(length * length);
  }
  for (int64_t node = 0; node < batch.num_nodes(); ++node) {
    decoder_pairs +=
        static_cast<double>(batch.depth[node] + 1 + batch.title_lengths[batch.title[node]]);
  }
  const T5Config& config = model.config();
  for (int64_t d = 0; d < batch.max_depth; ++d) {
    const double children = static_cast<double>(batch.levels[d].child_row.size());
    const auto nodes = static_cast<double>(batch.depth_begin[d + 1] - batch.depth_begin[d]);
    head += (children > 0 ? children : nodes * table_.levels[d].num_tokens) *
            static_cast<double>(config.d_model);
  }
  const auto inner = static_cast<double>(config.inner_dim());
  const double encoder_passes = all ? 3 : 0,
               cross_passes = all    ? 3
                              : rows ? 1
                                     : 2,
               decoder_passes = rows ? 2 : 3;
  const double expected =
      2 * tokens * encoder_passes * elements(model, is_encoder) +
      2 * tokens * cross_passes * elements(model, is_cross_kv) +
      2 * static_cast<double>(batch.num_nodes()) * decoder_passes * elements(model, is_decoder) +
      2 * 3 * head + 4 * inner * 2 * (encoder_passes * encoder_pairs + 3 * decoder_pairs);
  EXPECT_NEAR(ModelFlops(model, table_).of(batch) / expected, 1, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Parts, ModelFlopsTest,
                         testing::Values(TrainedPart::kAll, TrainedPart::kDecoder,
                                         TrainedPart::kIdRows));

TEST_F(ModelFlopsTest, CountOnlyChildrenUnderTheTrieSoftmax) {
  const T5Model model(small_t5(table_));
  const ModelFlops flops(model, table_);
  EXPECT_LT(flops.of(packed(checkpoints::Softmax::kTrie)),
            flops.of(packed(checkpoints::Softmax::kLevel)));
  EXPECT_LT(flops.mean_node(checkpoints::Softmax::kTrie),
            flops.mean_node(checkpoints::Softmax::kIds));
}

}  // namespace
}  // namespace tutti::trainer
