#include "trainer/rq_vae.h"

#include <cmath>
#include <fstream>
#include <numbers>
#include <set>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/residual_quantizer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"
#include "trainer/rq_vae_files.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kDim = 6;

// Points of a closed curve in six dimensions: one number says where, and the network can learn it.
std::vector<float> points_of_a_curve(int64_t n) {
  std::vector<float> rows;
  for (int64_t i = 0; i < n; ++i) {
    const double t = 2 * std::numbers::pi * Rng(3, Purpose::kTest, i).uniform();
    for (int64_t j = 0; j < kDim; ++j) {
      rows.push_back(static_cast<float>(1.4 * std::sin((1 + j / 2) * t + (j % 2 == 0 ? 0 : 1.57))));
    }
  }
  return rows;
}

RqVaeOptions small_options() {
  RqVaeOptions options;
  options.shape = {.dim = kDim, .hidden = {24}, .latent = 3};
  options.num_codes = {8, 6};
  options.steps = 120;
  options.batch = 700;  // three shards
  options.learning_rate = 5e-3;
  return options;
}

struct Trained {
  RqVae model;
  std::vector<RqVaeStep> steps;
};

Trained train(const std::vector<float>& rows, const RqVaeOptions& options, Communicator& comm) {
  at::set_num_threads(1);
  ThreadPool pool(1);
  std::vector<RqVaeStep> steps;
  auto model = train_rq_vae(rows, options, comm, pool,
                            [&](int64_t, const RqVaeStep& step) { steps.push_back(step); });
  return {std::move(model), std::move(steps)};
}

std::vector<float> decoded(const RqVae& model, const std::vector<float>& rows) {
  const auto latents = latents_of(model, rows);
  const int64_t width = model.shape().latent, n = std::ssize(latents) / width;
  ids::RowsInMemory source({latents.data(), 0, n, n, width});
  ThreadPool pool(1);
  const auto codes = ids::encode(source, model.codebooks, 8, pool);
  std::vector<float> sums(latents.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t l = 0; l < model.codebooks.num_levels(); ++l) {
      const auto code = model.codebooks.levels[l].row(codes[i * model.codebooks.num_levels() + l]);
      for (int64_t j = 0; j < width; ++j) sums[i * width + j] += code[j];
    }
  }
  return vectors_of(model, sums);
}

TEST(RqVae, LearnsCodesWhoseDecodingIsNearTheVectors) {
  const auto rows = points_of_a_curve(2000);
  RqVaeOptions options = small_options();
  options.steps = 600;
  const auto comm = make_single_communicator();
  const Trained trained = train(rows, options, *comm);
  const auto found = decoded(trained.model, rows);
  double energy = 0, error = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    energy += static_cast<double>(rows[i]) * rows[i];
    error += std::pow(static_cast<double>(rows[i]) - found[i], 2);
  }
  EXPECT_LT(error, 0.15 * energy);
  EXPECT_LT(trained.steps.back().reconstruction, 0.3 * trained.steps.front().reconstruction);
  EXPECT_EQ(trained.steps.front().commitment, 0) << "the first steps have no codes";
  EXPECT_GT(trained.steps.back().commitment, 0);
}

TEST(RqVae, IsTheSameBytesOnAnyNumberOfRanks) {
  const auto rows = points_of_a_curve(1500);
  const auto comm = make_single_communicator();
  const Trained expected = train(rows, small_options(), *comm);
  for (const int ranks : {2, 3}) {
    std::vector<int> differences(ranks, -1);
    run_ranks(ranks, [&](Communicator& world) {
      const Trained found = train(rows, small_options(), world);
      int& different = differences[world.rank()];
      different = 0;
      for (size_t i = 0; i < found.model.weights().size(); ++i) {
        const auto& [name, value] = found.model.weights()[i];
        different += value.equal(expected.model.weights()[i].value) ? 0 : 1;
      }
      for (size_t l = 0; l < 2; ++l) {
        different +=
            found.model.codebooks.levels[l].values == expected.model.codebooks.levels[l].values ? 0
                                                                                                : 1;
      }
      different +=
          found.steps.back().reconstruction == expected.steps.back().reconstruction ? 0 : 1;
    });
    EXPECT_EQ(differences, std::vector<int>(ranks, 0)) << ranks;
  }
}

TEST(RqVae, PutsCodesThatNoRowTakesOnRows) {
  std::vector<float> rows;  // of three kinds, for 8 x 6 codes
  for (int64_t i = 0; i < 900; ++i) {
    for (int64_t j = 0; j < kDim; ++j)
      rows.push_back(static_cast<float>(j % 3 == i % 3 ? 1 : -0.5));
  }
  const auto comm = make_single_communicator();
  RqVaeOptions options = small_options();
  options.ema = 0.8;  // forgets where codes started
  int64_t reset = 0;
  for (const auto& step : train(rows, options, *comm).steps) reset += step.codes_reset;
  EXPECT_GT(reset, 0);
}

TEST(RqVae, StartsItsCodebooksAtTheLatentsOfRows) {
  const auto rows = points_of_a_curve(600);
  RqVaeOptions options = small_options();
  options.steps = 1;
  options.warm_up = 1;  // no step with codes: they are as they start
  const auto comm = make_single_communicator();
  const RqVae model = train(rows, options, *comm).model;
  const auto latents = latents_of(model, rows);
  ids::RowsInMemory source({latents.data(), 0, 600, 600, 3});
  ThreadPool pool(1);
  const auto codes = ids::encode(source, model.codebooks, 1, pool);
  // K-means: a code of the first level is the mean of the rows that take it.
  double sum[3] = {0, 0, 0};
  int64_t count = 0;
  for (int64_t i = 0; i < 600; ++i) {
    if (codes[i * 2] != codes[0]) continue;
    ++count;
    for (int64_t j = 0; j < 3; ++j) sum[j] += latents[i * 3 + j];
  }
  for (int64_t j = 0; j < 3; ++j) {
    EXPECT_NEAR(model.codebooks.levels[0].row(codes[0])[j], sum[j] / count, 0.2);
  }
}

TEST(RqVae, ComesBackFromItsFileAndRefusesAnother) {
  const TempFolder folder;
  const auto rows = points_of_a_curve(300);
  const auto comm = make_single_communicator();
  RqVaeOptions options = small_options();
  options.steps = 20;
  RqVae model = train(rows, options, *comm).model;
  model.norm = ids::NormHandling::kUnit;
  model.mean = {1, 2, 3, 4, 5, 6};
  model.deviation = 0.25;
  write_rq_vae(folder / "a.safetensors", model);
  const RqVae read = read_rq_vae(folder / "a.safetensors");
  EXPECT_EQ(latents_of(read, rows), latents_of(model, rows));
  EXPECT_EQ(read.mean, model.mean);
  EXPECT_EQ(read.norm, ids::NormHandling::kUnit);
  EXPECT_EQ(read.deviation, 0.25);
  const float value = 1;
  const checkpoints::NamedTensor tensor = {
      .name = "mean", .type = checkpoints::TensorType::kF32, .shape = {1}, .data = &value};
  for (const char* facts :
       {"{", "{}", R"({"dim":6,"hidden":[],"latent":3,"norm":"raw","deviation":1})",
        R"({"dim":6,"hidden":[24],"latent":3,"norm":"raw","deviation":0})",
        R"({"dim":6,"hidden":[24],"latent":3,"norm":"raw","deviation":1})"}) {
    checkpoints::write_safetensors(folder / "b.safetensors", {tensor}, {{"rq-vae", facts}});
    EXPECT_THROW(read_rq_vae(folder / "b.safetensors"), DataError) << facts;
  }
  checkpoints::write_safetensors(folder / "b.safetensors", {tensor}, {});
  EXPECT_THROW(read_rq_vae(folder / "b.safetensors"), DataError);
}

}  // namespace
}  // namespace tutti::trainer
