#include "ids/dictionary.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "ids/alignment.h"
#include "ids/matching_pursuit.h"
#include "ids/residual_quantizer.h"
#include "ids/semantic_ids.h"
#include "tests/ids/random_rows.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

// What scikit-learn computed: tests/conformance/make_dictionary_goldens.py.
nlohmann::json golden() {
  std::ifstream in(TUTTI_IDS_GOLDENS "/dictionary.json");
  return nlohmann::json::parse(in);
}

Codebook random_atoms(int64_t num_atoms, int64_t dim, uint64_t seed) {
  Codebook atoms{num_atoms, dim, std::vector<float>(num_atoms * dim)};
  Rng rng(seed, Purpose::kTest);
  for (int64_t m = 0; m < num_atoms; ++m) {
    double norm = 0;
    for (int64_t j = 0; j < dim; ++j) {
      const double value = rng.normal();
      atoms.values[m * dim + j] = static_cast<float>(value);
      norm += value * value;
    }
    for (int64_t j = 0; j < dim; ++j) {
      float& value = atoms.values[m * dim + j];
      value = static_cast<float>(value / std::sqrt(norm));
    }
  }
  return atoms;
}

SparseCodes pursue_all(const std::vector<float>& rows, const Codebook& atoms, int64_t taken) {
  ThreadPool pool(1);
  auto source = source_of(rows, atoms.dim, 0, std::ssize(rows) / atoms.dim);
  return pursue(source, atoms, taken, pool);
}

TEST(MatchingPursuit, TakesTheAtomsAndWeightsOfScikitLearn) {
  const nlohmann::json expected = golden();
  const int64_t dim = expected["dim"], taken = expected["taken"];
  Codebook atoms{0, dim, expected["atoms"].get<std::vector<float>>()};
  atoms.num_codes = std::ssize(atoms.values) / dim;
  const auto found = pursue_all(expected["rows"].get<std::vector<float>>(), atoms, taken);
  int64_t at = 0;
  for (const auto& row : expected["codes"]) {
    for (const auto& pair : row) {
      EXPECT_EQ(found.atoms[at], pair[0].get<int32_t>()) << at;
      EXPECT_NEAR(found.weights[at], pair[1].get<double>(), 1e-5) << at;
      ++at;
    }
  }
  EXPECT_EQ(at, std::ssize(found.atoms));
}

TEST(MatchingPursuit, FindsTheSumOfOrthogonalAtomsTheHeaviestFirst) {
  Codebook axes{5, 5, std::vector<float>(25)};
  for (int64_t m = 0; m < 5; ++m) axes.values[m * 6] = 1;
  const auto found = pursue_all({0, -3, 0.5F, 0, 2}, axes, 3);
  EXPECT_EQ(found.atoms, (std::vector<int32_t>{1, 4, 2}));
  EXPECT_EQ(found.weights, (std::vector<float>{-3, 2, 0.5F}));
  EXPECT_EQ(code_of_atom(1, -3), 3);
  EXPECT_EQ(code_of_atom(4, 2), 8);
}

TEST(MatchingPursuit, TakesDifferentAtomsWhereNothingIsLeftOrAtomsAreEqual) {
  Codebook atoms{4, 3, {1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0}};
  const auto found = pursue_all({2, 0, 0, 0, 0, 0}, atoms, 3);
  for (const int64_t row : {0, 1}) {
    const std::set<int32_t> taken(&found.atoms[row * 3], &found.atoms[row * 3] + 3);
    EXPECT_EQ(taken.size(), 3U);
  }
  EXPECT_EQ(found.atoms[0], 0);
  EXPECT_EQ(found.weights, (std::vector<float>{2, 0, 0, 0, 0, 0}));
}

TEST(MatchingPursuit, GivesARowTheSameCodesWhereverItStands) {
  const int64_t n = 700, dim = 24;
  const auto atoms = random_atoms(100, dim, 4);
  const auto rows = clustered_rows(n, dim, 30, 5);
  const auto expected = pursue_all(rows, atoms, 4);
  const std::vector<float> moved(rows.begin() + 13 * dim, rows.end());
  const auto found = pursue_all(moved, atoms, 4);
  EXPECT_TRUE(std::equal(found.weights.begin(), found.weights.end(), &expected.weights[13 * 4]));
  EXPECT_TRUE(std::equal(found.atoms.begin(), found.atoms.end(), &expected.atoms[13 * 4]));
}

DictionaryOptions small_options() {
  DictionaryOptions options;
  options.num_atoms = 12;
  options.num_levels = 3;
  options.norm = NormHandling::kRaw;
  return options;
}

Codebooks train(const std::vector<float>& rows, int64_t dim, const DictionaryOptions& options,
                DictionaryStatistics* statistics = nullptr) {
  const auto comm = make_single_communicator();
  ThreadPool pool(1);
  auto source = source_of(rows, dim, 0, std::ssize(rows) / dim);
  return train_dictionary(source, options, *comm, pool, statistics);
}

// Learning is a search for a good local minimum: it is compared over five starts.
TEST(Dictionary, StandsForRowsAsWellAsScikitLearnsDoes) {
  const nlohmann::json peer = golden()["learning"];
  const auto rows = peer["rows"].get<std::vector<float>>();
  const auto theirs = peer["objectives"].get<std::vector<double>>();
  DictionaryOptions options = small_options();
  options.num_atoms = peer["atoms"];
  options.num_levels = peer["taken"];
  options.max_steps = 60;
  std::vector<double> ours;
  for (options.seed = 0; options.seed < 5; ++options.seed) {
    DictionaryStatistics statistics;
    train(rows, peer["dim"], options, &statistics);
    double best = statistics.steps[0].objective;
    for (const auto& step : statistics.steps) best = std::min(best, step.objective);
    ours.push_back(best);
  }
  EXPECT_LE(std::accumulate(ours.begin(), ours.end(), 0.0),
            1.02 * std::accumulate(theirs.begin(), theirs.end(), 0.0))
      << testing::PrintToString(ours);
}

TEST(Dictionary, SaysHowWellItsCodesStandForTheRows) {
  const int64_t n = 500, dim = 8;
  const auto rows = clustered_rows(n, dim, 25, 3);
  DictionaryStatistics statistics;
  const auto codebooks = train(rows, dim, small_options(), &statistics);
  std::vector<float> centred = rows;
  for (int64_t i = 0; i < n * dim; ++i) centred[i] -= codebooks.mean[i % dim];
  const auto codes = pursue_all(centred, codebooks.atoms, 3);
  double error = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < dim; ++j) {
      double left = centred[i * dim + j];
      for (int64_t l = 0; l < 3; ++l) {
        left -= static_cast<double>(codes.weights[i * 3 + l]) *
                codebooks.atoms.values[codes.atoms[i * 3 + l] * dim + j];
      }
      error += left * left;
    }
  }
  double best = statistics.steps[0].objective;
  for (const auto& step : statistics.steps) best = std::min(best, step.objective);
  EXPECT_NEAR(error, best, 1e-4 * best);
  for (int64_t m = 0; m < codebooks.atoms.num_codes; ++m) {
    double norm = 0;
    for (const float value : codebooks.atoms.row(m)) norm += static_cast<double>(value) * value;
    EXPECT_NEAR(norm, 1, 1e-5);
  }
}

TEST(Dictionary, GivesACodeTheMeanOfItsWeightsUnlessTheyAreFitted) {
  const int64_t n = 400, dim = 6;
  const auto rows = clustered_rows(n, dim, 25, 8);
  DictionaryOptions options = small_options();
  options.fit_codes = false;
  const auto plain = train(rows, dim, options);
  std::vector<float> centred = rows;
  for (int64_t i = 0; i < n * dim; ++i) centred[i] -= plain.mean[i % dim];
  const auto codes = pursue_all(centred, plain.atoms, 3);
  std::vector<double> sum(24), count(24);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t code = code_of_atom(codes.atoms[i * 3 + 1], codes.weights[i * 3 + 1]);
    sum[code] += codes.weights[i * 3 + 1];
    ++count[code];
  }
  int64_t checked = 0;
  for (int64_t c = 0; c < 24; ++c) {
    if (count[c] == 0) continue;
    for (int64_t j = 0; j < dim; ++j) {
      EXPECT_NEAR(plain.levels[1].row(c)[j], sum[c] / count[c] * plain.atoms.row(c / 2)[j], 1e-5);
    }
    ++checked;
  }
  EXPECT_GT(checked, 5);

  options.fit_codes = true;
  const auto fitted = train(rows, dim, options);
  const auto comm = make_single_communicator();
  ThreadPool pool(1);
  auto source = source_of(rows, dim, 0, n);
  const auto snr = [&](const Codebooks& codebooks) {
    return measure_codes(source, encode(source, codebooks, 1, pool), codebooks, *comm, pool)
        .back()
        .snr_db;
  };
  EXPECT_GT(snr(fitted), snr(plain));
}

TEST(Dictionary, IsTheSameBytesForAnyNumberOfRanksAndThreads) {
  const int64_t n = 1700, dim = 10;
  const auto rows = clustered_rows(n, dim, 40, 6);
  for (const int64_t sample : {0, 900}) {
    DictionaryOptions options = small_options();
    options.sample_rows = sample;
    const auto expected = train(rows, dim, options);
    for (const int ranks : {1, 2, 3, 5}) {
      std::vector<Codebooks> found(ranks);
      run_ranks(ranks, [&](Communicator& comm) {
        ThreadPool pool(1 + ranks % 2);
        const auto own = owned_range(n, kRowBlock, comm.rank(), comm.size());
        auto source = source_of(rows, dim, own.first, own.last);
        found[comm.rank()] = train_dictionary(source, options, comm, pool);
      });
      for (const auto& codebooks : found) {
        EXPECT_EQ(codebooks.atoms.values, expected.atoms.values) << ranks;
        for (int64_t l = 0; l < 3; ++l) {
          EXPECT_EQ(codebooks.levels[l].values, expected.levels[l].values) << ranks;
        }
      }
    }
  }
}

TEST(Dictionary, LearnsFromRowsThatAreAllEqualOrZero) {
  for (const float value : {0.0F, 1.0F}) {
    const std::vector<float> rows(64 * 4, value);
    const auto codebooks = train(rows, 4, small_options());
    for (const auto& level : codebooks.levels) {
      EXPECT_TRUE(std::ranges::all_of(level.values, [](float v) { return std::isfinite(v); }));
    }
  }
}

TEST(Dictionary, TurnsWithTheVectors) {
  const int64_t n = 600, dim = 6;
  const auto rows = clustered_rows(n, dim, 30, 9);
  const auto codebooks = train(rows, dim, small_options());
  std::vector<float> swapped(rows.size());  // axes change places: a rotation
  for (int64_t i = 0; i < n * dim; ++i) {
    swapped[i / dim * dim + (i + 1) % dim] = rows[i];
  }
  const auto comm = make_single_communicator();
  ThreadPool pool(1);
  auto source = source_of(rows, dim, 0, n), turned_source = source_of(swapped, dim, 0, n);
  const auto codes = encode(source, codebooks, 1, pool);
  const auto turned = turn_to_rows(turned_source, codes, codebooks, *comm, pool);
  const auto found = encode(turned_source, turned, 1, pool);
  int64_t equal = 0;
  for (int64_t i = 0; i < n; ++i) {
    equal += std::equal(&codes[i * 3], &codes[i * 3] + 3, &found[i * 3]) ? 1 : 0;
  }
  EXPECT_GT(equal, n * 9 / 10);
}

TEST(Dictionary, RefusesWhatItCannotDo) {
  const auto rows = clustered_rows(40, 4, 5, 1);
  DictionaryOptions options = small_options();
  options.num_atoms = 2;
  EXPECT_THROW(train(rows, 4, options), UsageError);
  options.num_atoms = 12;
  options.sample_rows = 5;
  EXPECT_THROW(train(rows, 4, options), UsageError);
  options.sample_rows = 0;
  options.num_atoms = 41;
  EXPECT_THROW(train(rows, 4, options), DataError);
  for (const auto& [codes, balance] : std::vector<std::pair<std::vector<int64_t>, double>>{
           {{8, 6}, 0}, {{7, 7}, 0}, {{8, 8}, 2}}) {
    ResidualQuantizerOptions quantizer;
    quantizer.num_codes = codes;
    quantizer.balance = balance;
    EXPECT_THROW(dictionary_of(quantizer), UsageError);
  }
}

}  // namespace
}  // namespace tutti::ids
