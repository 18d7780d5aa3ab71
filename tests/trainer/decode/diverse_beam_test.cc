#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "trainer/decode/beam_search.h"

namespace tutti::trainer {
namespace {

// What transformers found, and the logits it saw (tests/conformance/make_beam_goldens.py).
const nlohmann::json& goldens() {
  static const nlohmann::json kDocument = [] {
    std::ifstream file(std::string(TUTTI_BEAM_GOLDENS) + "/group_beams.json");
    return nlohmann::json::parse(file);
  }();
  return kDocument;
}

int32_t first_token() {
  return goldens()["first_token"].get<int32_t>();
}

ids::IdTable golden_table() {
  ids::IdTable table;
  const auto codes = goldens()["codes"].get<int32_t>();
  for (const auto& id : goldens()["ids"]) {
    for (const auto& token : id) table.tokens.push_back(token.get<int32_t>() - first_token());
    table.offsets.push_back(std::ssize(table.tokens));
  }
  table.levels = {{0, codes}, {codes, codes}, {2 * codes, codes}};
  return table;
}

// The logits of the file, by the tokens so far.
class GoldenScorer : public IdScorer {
 public:
  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax over) override {
    std::vector<std::string> prefixes;
    scores_.clear();
    for (const Row& row : rows) {
      std::string prefix = row.token < 0 ? "" : prefixes_.at(row.parent);
      if (row.token >= 0) {
        prefix += (prefix.empty() ? "" : " ") + std::to_string(row.token + first_token());
      }
      const auto logits = goldens()["titles"][row.title][prefix].get<std::vector<double>>();
      double sum = 0;
      for (const double logit : logits) sum += std::exp(logit);
      const double log_sum = over == Softmax::kFull ? std::log(sum) : 0.0;
      for (int32_t i = 0; i < level.num_tokens; ++i) {
        const double logit = logits.at(first_token() + level.first_token + i);
        scores_.push_back(static_cast<float>(logit - log_sum));
      }
      prefixes.push_back(prefix);
      ++num_rows;
    }
    prefixes_ = std::move(prefixes);
    return scores_;
  }

  int64_t num_rows = 0;

 private:
  std::vector<std::string> prefixes_;
  std::vector<float> scores_;
};

std::vector<std::vector<Recommendation>> search(const BeamOptions& options) {
  const auto table = golden_table();
  GoldenScorer scorer;
  return beam_search(scorer, ids::build_trie(table), table.levels, 2, options);
}

std::set<int32_t> tracks_of(const std::vector<Recommendation>& list) {
  std::set<int32_t> tracks;
  for (const auto& r : list) tracks.insert(r.track);
  return tracks;
}

TEST(DiverseBeams, FindTheTracksAndScoresOfTransformers) {
  const auto table = golden_table();
  for (const auto& wanted : goldens()["cases"]) {
    const BeamOptions options = {
        .beam = wanted["beams"],
        .k = wanted["beams"],
        .softmax = wanted["renormalize"].get<bool>() ? Softmax::kTrie : Softmax::kFull,
        .groups = wanted["groups"],
        .diversity = wanted["penalty"],
        .distinct = false};
    const auto lists = search(options);
    for (size_t title = 0; title < lists.size(); ++title) {
      // transformers lists a track once for each group that found it, best first.
      std::map<std::vector<int32_t>, double> score_of;
      for (const auto& found : wanted["lists"][title]) {
        auto id = found[0].get<std::vector<int32_t>>();
        for (int32_t& token : id) token -= first_token();
        score_of.emplace(id, found[1].get<double>());
      }
      ASSERT_EQ(lists[title].size(), score_of.size()) << wanted["groups"];
      for (const auto& r : lists[title]) {
        const auto id = table.id_of(r.track);
        const auto match = score_of.find(std::vector<int32_t>(id.begin(), id.end()));
        ASSERT_NE(match, score_of.end()) << "track " << r.track;
        EXPECT_NEAR(r.score, match->second, 2e-5);
      }
    }
  }
}

TEST(DiverseBeams, AreTheGoldensOfARealPeer) {
  EXPECT_GE(goldens()["cases"].size(), 8U);
  EXPECT_EQ(goldens()["transformers"].get<std::string>().substr(0, 2), "4.");
  int repeated = 0;  // otherwise nothing about duplicates was compared
  for (const auto& wanted : goldens()["cases"]) {
    std::set<std::vector<int32_t>> ids;
    for (const auto& found : wanted["lists"][0]) ids.insert(found[0].get<std::vector<int32_t>>());
    repeated += ids.size() < wanted["lists"][0].size() ? 1 : 0;
  }
  EXPECT_GT(repeated, 0);
}

TEST(DiverseBeams, GiveKDistinctTracksWhereTransformersRepeatsThem) {
  const BeamOptions repeating = {
      .beam = 12, .k = 12, .groups = 6, .diversity = 0.25, .distinct = false};
  BeamOptions distinct = repeating;
  distinct.distinct = true;
  EXPECT_LT(search(repeating)[0].size(), 12U);
  const auto list = search(distinct)[0];
  EXPECT_EQ(list.size(), 12U);
  EXPECT_EQ(tracks_of(list).size(), 12U);
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end(),
                             [](const auto& a, const auto& b) { return a.score > b.score; }));
}

TEST(DiverseBeams, AreOrdinaryBeamsInOneGroup) {
  const auto plain = search({.beam = 8, .k = 8});
  const auto one_group = search({.beam = 8, .k = 8, .groups = 1, .diversity = 0.5});
  for (size_t title = 0; title < plain.size(); ++title) {
    ASSERT_EQ(plain[title].size(), one_group[title].size());
    for (size_t i = 0; i < plain[title].size(); ++i) {
      EXPECT_EQ(plain[title][i].track, one_group[title][i].track);
      EXPECT_EQ(plain[title][i].score, one_group[title][i].score);
    }
  }
}

TEST(DiverseBeams, SpreadOverMoreFirstTokensAsThePenaltyGrows) {
  const auto table = golden_table();
  size_t before = 0;
  for (const double penalty : {0.0, 0.5, 20.0}) {
    std::set<int32_t> first;
    const auto lists = search({.beam = 5, .k = 5, .groups = 5, .diversity = penalty});
    for (const auto& r : lists[0]) first.insert(table.id_of(r.track)[0]);
    EXPECT_GE(first.size(), before);
    before = first.size();
  }
  EXPECT_EQ(before, 5U);  // every first token there is
}

TEST(DiverseBeams, ScoreAPartialIdOnceThatSeveralGroupsHold) {
  const auto table = golden_table();
  GoldenScorer scorer;
  beam_search(scorer, ids::build_trie(table), table.levels, 1,
              {.beam = 12,
               .k = 12,
               .softmax = Softmax::kFull,
               .groups = 6,
               .diversity = 0.25,
               .distinct = false});
  EXPECT_LE(scorer.num_rows, 1 + 5 + 12);  // the root, the first tokens, at most a beam each
}

}  // namespace
}  // namespace tutti::trainer
