#include "trainer/baselines/bi_encoder.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "data/requests.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"
#include "tests/trainer/small_encoder.h"
#include "tests/trainer/small_training_set.h"
#include "trainer/baselines/bi_encoder_files.h"
#include "trainer/baselines/bi_encoder_ranker.h"
#include "trainer/baselines/bi_encoder_trainer.h"
#include "trainer/baselines/track_documents.h"

namespace tutti::trainer {
namespace {

class BiEncoderTest : public testing::Test {
 protected:
  BiEncoderTest() { at::set_num_threads(1); }

  static BiEncoder small_encoder() { return trainer::small_encoder(TUTTI_BERT_TOKENIZER); }

  static double difference(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
  }

  SmallTrainingSet set_;
  TitledPlaylists playlists_ = titled_playlists(set_.dataset());
  TrackDocuments documents_{set_.dataset(), DocumentKind::kTitles};
};

TEST_F(BiEncoderTest, EncodesATextAloneAsAmongOthers) {
  const c10::NoGradGuard no_grad;
  const BiEncoder encoder = small_encoder();
  const std::vector<std::string> texts = {"rain", "rock night run and some more words",
                                          "sad piano"};
  const at::Tensor all = encoder.encode(texts);
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor alone = encoder.encode({&texts[i], 1});
    EXPECT_LE(difference(alone[0], all[i]), 1e-5);
    EXPECT_NEAR(all[i].norm().item<double>(), 1, 1e-5);
  }
  EXPECT_GT(difference(all[0], all[1]), 1e-2);
}

TEST_F(BiEncoderTest, CutsLongTextsWhereItsPositionsEnd) {
  const c10::NoGradGuard no_grad;
  const BiEncoder encoder = small_encoder();
  std::string text;
  for (int i = 0; i < 60; ++i) text += "rain ";
  const std::vector<std::string> texts = {text, text + "rock"};
  const at::Tensor both = encoder.encode(texts);
  EXPECT_EQ(difference(both[0], both[1]), 0);
}

TEST_F(BiEncoderTest, EncodesTheSameBytesOnTwoRanks) {
  const BiEncoder encoder = small_encoder();
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back("rain night " + std::to_string(i * i));
  const auto single = make_single_communicator();
  const at::Tensor expected = encoder.encode_all(texts, *single);
  ThreadWorld world(2);
  std::vector<at::Tensor> found(2);
  const auto rank = [&](int r) {
    ThreadCommunicator comm(world, r);
    found[r] = encoder.encode_all(texts, comm);
  };
  std::thread other(rank, 1);
  rank(0);
  other.join();
  for (const at::Tensor& vectors : found) EXPECT_TRUE(vectors.equal(expected));
}

TEST_F(BiEncoderTest, LossIsTheCrossEntropyOverWhatIsNotMasked) {
  const at::Tensor anchors = at::randn({3, 4}), candidates = at::randn({5, 4});
  const std::vector<int64_t> target = {0, 2, 4};
  std::vector<bool> masked(15, false);
  masked[0 * 5 + 3] = masked[2 * 5 + 1] = true;
  const ContrastiveLoss found = contrastive_loss(anchors, candidates, target, masked, 2, 6);
  double expected = 0;
  for (int64_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < 5; ++j) {
      if (!masked[i * 5 + j])
        sum += std::exp(2 * (anchors[i] * candidates[j]).sum().item<double>());
    }
    expected += std::log(sum) - 2 * (anchors[i] * candidates[target[i]]).sum().item<double>();
  }
  EXPECT_NEAR(found.loss, expected / 6, 1e-5);
  // The gradient is what a small step of one element changes.
  constexpr double kStep = 1e-2;
  for (const bool of_anchor : {true, false}) {
    at::Tensor moved = (of_anchor ? anchors : candidates).clone();
    const auto loss_at = [&](double by) {
      at::Tensor at = moved.clone();
      at[1][2] += by;
      return contrastive_loss(of_anchor ? at : anchors, of_anchor ? candidates : at, target, masked,
                              2, 6)
          .loss;
    };
    const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
    const at::Tensor& grad = of_anchor ? found.anchor_grad : found.candidate_grad;
    EXPECT_NEAR(grad[1][2].item<double>(), slope, 2e-3);
  }
}

TEST_F(BiEncoderTest, StepsHoldATitleOnceAndItsDocumentsLeaveItOut) {
  BiEncoder encoder = small_encoder();
  const auto comm = make_single_communicator();
  const BiEncoderTrainer trainer(encoder, playlists_, documents_, {.batch = 16}, *comm);
  int64_t num_pairs = 0;
  for (int64_t step = 0; step < 8; ++step) {
    std::set<int32_t> titles;
    for (const auto& pair : trainer.pairs_of(step)) {
      EXPECT_TRUE(titles.insert(pair.title).second);
      EXPECT_TRUE(documents_.is_known(pair.title, pair.track));
      EXPECT_FALSE(pair.document.empty());
      for (const auto& part : pair.document) EXPECT_NE(part.text, pair.title);
      ++num_pairs;
    }
  }
  EXPECT_GT(num_pairs, 8 * 8);
}

TEST_F(BiEncoderTest, TitlesOfAShareOfThePairsAreRequests) {
  BiEncoder encoder = small_encoder();
  const auto comm = make_single_communicator();
  const BiEncoderTrainer trainer(
      encoder, playlists_, documents_,
      {.batch = 16, .request_share = 0.5, .requests = {"play me {} now"}}, *comm);
  int64_t bare = 0, wrapped = 0;
  for (int64_t step = 0; step < 8; ++step) {
    for (const auto& pair : trainer.pairs_of(step)) {
      const std::string& title = documents_.text_of(pair.title);
      (pair.anchor == title ? bare : wrapped) += 1;
      if (pair.anchor != title) {
        EXPECT_EQ(pair.anchor, "play me " + title + " now");
      }
    }
  }
  EXPECT_GT(bare, 10);
  EXPECT_GT(wrapped, 10);
}

class BiEncoderRanks : public BiEncoderTest, public testing::WithParamInterface<int> {};

TEST_P(BiEncoderRanks, TwoMakeTheStepThatOneMakesOfAllPairs) {
  const BiEncoderOptions options = {.batch = 12, .hard_negatives = GetParam()};
  BiEncoder encoder = small_encoder();
  const auto single = make_single_communicator();
  BiEncoderTrainer alone(encoder, playlists_, documents_, options, *single);
  const double expected_loss = alone.gradients(3);
  const at::Tensor expected = encoder.store().flat_grads().clone();
  EXPECT_GT(expected.norm().item<double>(), 1e-3);

  ThreadWorld world(2);
  std::vector<BiEncoder> encoders;
  encoders.push_back(small_encoder());
  encoders.push_back(small_encoder());
  std::vector<double> losses(2);
  const auto rank = [&](int r) {
    ThreadCommunicator comm(world, r);
    BiEncoderTrainer trainer(encoders[r], playlists_, documents_, options, comm);
    losses[r] = trainer.gradients(3);
  };
  std::thread other(rank, 1);
  rank(0);
  other.join();
  for (int r = 0; r < 2; ++r) {
    EXPECT_NEAR(losses[r], expected_loss, 1e-5 * expected_loss);
    EXPECT_LE(difference(encoders[r].store().flat_grads(), expected), 1e-5) << "rank " << r;
  }
}

INSTANTIATE_TEST_SUITE_P(HardNegatives, BiEncoderRanks, testing::Values(0, 2));

TEST_F(BiEncoderTest, LearnsWhichTitlesGoWithWhichTracks) {
  BiEncoder encoder = small_encoder();
  const auto comm = make_single_communicator();
  BiEncoderTrainer trainer(encoder, playlists_, documents_,
                           {.steps = 60, .batch = 16, .learning_rate = 3e-3}, *comm);
  double first = 0, last = 0;
  for (int64_t step = 0; step < 60; ++step) {
    const double loss = trainer.step(step);
    (step < 10 ? first : last) += step < 10 || step >= 50 ? loss : 0;
  }
  EXPECT_LT(last, 0.8 * first);
}

TEST_F(BiEncoderTest, RanksAsBruteForceOverItsFileAndSaysWhetherItWasTrained) {
  const c10::NoGradGuard no_grad;
  const BiEncoder encoder = small_encoder();
  const auto comm = make_single_communicator();
  const at::Tensor tracks = documents_.vectors(encoder, *comm);
  const TempFolder folder;
  const Manifest& dataset = set_.dataset().manifest();
  write_bi_encoder(folder / "zero", encoder, tracks, {{"dataset", dataset.hash}}, {{"steps", 0}},
                   false);
  write_bi_encoder(folder / "tuned", encoder, tracks, {{"dataset", dataset.hash}}, {{"steps", 5}},
                   false);
  const EncodedCatalog read = read_bi_encoder(folder / "zero", dataset, SmallTrainingSet::kTracks);
  EXPECT_EQ(read.name, "bi-encoder zero-shot");
  EXPECT_EQ(read_bi_encoder(folder / "tuned", dataset, SmallTrainingSet::kTracks).name,
            "bi-encoder fine-tuned");
  EXPECT_TRUE(read.tracks.equal(tracks));

  const PopularityRanker popularity(set_.dataset());
  const double shrinkage = 3;
  BiEncoderRanker ranker(read, popularity, shrinkage, std::make_shared<BiEncoderRanker::Cache>());
  const std::vector<std::string> titles = {"rain piano", "Happy RUN!"};
  const auto lists = ranker.rank(titles, 20);
  const std::vector<std::string> normalized = {"rain piano", "happy run"};
  const at::Tensor queries = encoder.encode(normalized);
  for (int64_t i = 0; i < 2; ++i) {
    std::vector<float> scores;
    for (int64_t t = 0; t < SmallTrainingSet::kTracks; ++t) {
      const double n = std::max(popularity.counts()[t], 1);
      scores.push_back(
          static_cast<float>((queries[i] * tracks[t]).sum().item<double>() * n / (n + shrinkage)));
    }
    std::vector<float> falling = scores;
    std::sort(falling.begin(), falling.end(), std::greater<>());
    ASSERT_EQ(lists[i].size(), 20U);
    for (size_t place = 0; place < 20; ++place) {
      EXPECT_NEAR(lists[i][place].score, falling[place], 1e-5);
      EXPECT_NEAR(scores[lists[i][place].track], falling[place], 1e-5);
    }
  }

  Manifest other = dataset;
  other.hash[0] = other.hash[0] == '0' ? '1' : '0';
  EXPECT_THROW(read_bi_encoder(folder / "zero", other, SmallTrainingSet::kTracks), DataError);
  EXPECT_THROW(read_bi_encoder(folder / "zero", dataset, SmallTrainingSet::kTracks + 1), DataError);
}

TEST_F(BiEncoderTest, RefusesNamesWhereTheCatalogueHasNone) {
  EXPECT_THROW(TrackDocuments(set_.dataset(), DocumentKind::kMetadata), UsageError);
}

}  // namespace
}  // namespace tutti::trainer
