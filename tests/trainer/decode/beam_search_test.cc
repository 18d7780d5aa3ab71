#include "trainer/decode/beam_search.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

// Random IDs of three levels: `codes` tokens on the first two, a suffix that tells equal codes
// apart.
ids::IdTable random_table(int num_tracks, int codes, uint64_t seed) {
  ids::IdTable table;
  Rng rng(seed, Purpose::kTest);
  std::map<std::pair<int, int>, int> used;
  int num_suffixes = 1;
  for (int t = 0; t < num_tracks; ++t) {
    const int a = static_cast<int>(rng.below(codes)), b = static_cast<int>(rng.below(codes));
    const int suffix = used[{a, b}]++;
    num_suffixes = std::max(num_suffixes, suffix + 1);
    for (int token : {a, codes + b, 2 * codes + suffix}) table.tokens.push_back(token);
    table.offsets.push_back(std::ssize(table.tokens));
  }
  table.levels = {{0, codes}, {codes, codes}, {2 * codes, num_suffixes}};
  return table;
}

// What tokens outside the level add to the sum of the wider softmaxes.
double mass_outside(Softmax over) {
  return over == Softmax::kFull ? 7.0 : (over == Softmax::kIds ? 3.0 : 0.0);
}

// A scorer whose logit is a pure function of (title, tokens so far, token). It follows `parent`
// rows, so a wrong row shows in the scores.
class FakeScorer : public IdScorer {
 public:
  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax over) override {
    std::vector<std::vector<int32_t>> prefixes;
    scores_.clear();
    for (const Row& row : rows) {
      auto prefix = row.token < 0 ? std::vector<int32_t>() : prefixes_.at(row.parent);
      if (row.token >= 0) prefix.push_back(row.token);
      auto logits = logits_of(row.title, prefix, level);
      if (over != Softmax::kTrie) {
        double sum = mass_outside(over);
        for (float logit : logits) sum += std::exp(logit);
        for (float& logit : logits) logit -= static_cast<float>(std::log(sum));
      }
      scores_.insert(scores_.end(), logits.begin(), logits.end());
      prefixes.push_back(std::move(prefix));
    }
    prefixes_ = std::move(prefixes);
    ++num_steps;
    num_rows += std::ssize(rows);
    return scores_;
  }

  static std::vector<float> logits_of(int32_t title, const std::vector<int32_t>& prefix,
                                      const ids::IdLevel& level) {
    uint64_t state = title;
    for (int32_t token : prefix) state = state * 1000 + token + 1;
    std::vector<float> logits(level.num_tokens);
    Rng rng(state, Purpose::kTest, level.first_token);
    for (float& logit : logits) logit = static_cast<float>(2 * rng.normal());
    return logits;
  }

  int num_steps = 0;
  int64_t num_rows = 0;

 private:
  std::vector<std::vector<int32_t>> prefixes_;
  std::vector<float> scores_;
};

// log p of every track by the definition, best first.
std::vector<Recommendation> enumerate(const ids::IdTable& table, int32_t title, Softmax softmax) {
  std::vector<Recommendation> all;
  for (int32_t t = 0; t < table.num_tracks(); ++t) {
    const auto id = table.id_of(t);
    double score = 0;
    std::vector<int32_t> prefix;
    for (size_t position = 0; position < id.size(); ++position) {
      const auto& level = table.levels[position];
      const auto logits = FakeScorer::logits_of(title, prefix, level);
      std::set<int32_t> allowed;
      const bool over_children =
          softmax == Softmax::kTrie || (softmax == Softmax::kLevel && position + 1 == id.size());
      for (int32_t token = level.first_token; token < level.first_token + level.num_tokens;
           ++token) {
        if (!over_children) allowed.insert(token);
      }
      for (int32_t other = 0; other < table.num_tracks() && over_children; ++other) {
        const auto other_id = table.id_of(other);
        if (std::equal(prefix.begin(), prefix.end(), other_id.begin())) {
          allowed.insert(other_id[position]);
        }
      }
      double sum = over_children ? 0.0 : mass_outside(softmax);
      for (int32_t token : allowed) sum += std::exp(logits[token - level.first_token]);
      score += logits[id[position] - level.first_token] - std::log(sum);
      prefix.push_back(id[position]);
    }
    all.push_back({t, static_cast<float>(score)});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}

void expect_same(const std::vector<Recommendation>& a, const std::vector<Recommendation>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].track, b[i].track) << "place " << i;
    EXPECT_NEAR(a[i].score, b[i].score, 1e-4);
  }
}

TEST(BeamSearch, EqualsExhaustiveSearchWhenTheBeamHoldsTheCatalog) {
  for (const Softmax softmax : {Softmax::kLevel, Softmax::kTrie, Softmax::kIds, Softmax::kFull}) {
    const auto table = random_table(60, 6, 3);
    const auto trie = ids::build_trie(table);
    FakeScorer scorer;
    const auto lists =
        beam_search(scorer, trie, table.levels, 3, {.beam = 60, .k = 60, .softmax = softmax});
    ASSERT_EQ(lists.size(), 3U);
    for (int32_t title = 0; title < 3; ++title) {
      expect_same(lists[title], enumerate(table, title, softmax));
    }
  }
}

TEST(BeamSearch, FollowsOnlyTheBestPrefixesWhenTheBeamIsNarrow) {
  const auto table = random_table(200, 8, 4);
  const auto trie = ids::build_trie(table);
  const std::vector<float> first = FakeScorer::logits_of(0, {}, table.levels[0]);
  const auto best = std::max_element(first.begin(), first.end()) - first.begin();
  FakeScorer scorer;
  const auto lists = beam_search(scorer, trie, table.levels, 1, {.beam = 1, .k = 1});
  ASSERT_EQ(lists[0].size(), 1U);
  EXPECT_EQ(table.id_of(lists[0][0].track)[0], best);
}

TEST(BeamSearch, GivesEachTitleTheSameListAloneAndInABatch) {
  const auto table = random_table(300, 10, 5);
  const auto trie = ids::build_trie(table);
  const BeamOptions options = {.beam = 7, .k = 5};
  FakeScorer scorer;
  const auto together = beam_search(scorer, trie, table.levels, 6, options);
  for (int64_t n = 1; n < 6; ++n) {
    FakeScorer fewer;
    const auto some = beam_search(fewer, trie, table.levels, n, options);
    for (int64_t title = 0; title < n; ++title) expect_same(some[title], together[title]);
  }
}

TEST(BeamSearch, NeverLeavesTheCatalogWhenBeamsOutnumberChildren) {
  const auto table = random_table(5, 20, 6);
  const auto trie = ids::build_trie(table);
  FakeScorer scorer;
  const auto lists = beam_search(scorer, trie, table.levels, 2, {.beam = 64, .k = 10});
  for (const auto& list : lists) {
    std::set<int32_t> tracks;
    for (const auto& r : list) tracks.insert(r.track);
    EXPECT_EQ(tracks, (std::set<int32_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(list.size(), 5U);
  }
}

TEST(BeamSearch, WidensTheBeamToTheLengthOfTheList) {
  const auto table = random_table(100, 10, 7);
  const auto trie = ids::build_trie(table);
  FakeScorer scorer;
  const auto lists = beam_search(scorer, trie, table.levels, 1, {.beam = 2, .k = 12});
  EXPECT_EQ(lists[0].size(), 12U);
}

TEST(BeamSearch, CostsNoStepAtTheLastLevelWhenEveryTrackIsAloneOnItsCode) {
  ids::IdTable table;
  table.levels = {{0, 4}, {4, 4}, {8, 1}};
  for (int32_t a = 0; a < 4; ++a) {
    for (int32_t b = 0; b < 4; ++b) {
      for (int32_t token : {a, 4 + b, 8}) table.tokens.push_back(token);
      table.offsets.push_back(std::ssize(table.tokens));
    }
  }
  const auto trie = ids::build_trie(table);
  FakeScorer scorer;
  const auto lists = beam_search(scorer, trie, table.levels, 1, {.beam = 16, .k = 16});
  EXPECT_EQ(scorer.num_steps, 2);
  EXPECT_EQ(scorer.num_rows, 1 + 4);
  expect_same(lists[0], enumerate(table, 0, Softmax::kLevel));

  FakeScorer all_levels;  // where the last token is not certain, it has to be scored
  const auto full = beam_search(all_levels, trie, table.levels, 1,
                                {.beam = 16, .k = 16, .softmax = Softmax::kFull});
  EXPECT_EQ(all_levels.num_rows, 1 + 4 + 16);
  expect_same(full[0], enumerate(table, 0, Softmax::kFull));
}

// All logits equal: every ID of one prefix length scores the same, so only the tie rule decides.
class FlatScorer : public IdScorer {
 public:
  std::span<const float> step(std::span<const Row> rows, const ids::IdLevel& level,
                              Softmax /*over*/) override {
    scores_.assign(rows.size() * level.num_tokens, value);
    return scores_;
  }
  float value = -1;

 private:
  std::vector<float> scores_;
};

TEST(BeamSearch, BreaksTiesByTheOrderOfTheTrie) {
  const auto table = random_table(50, 30, 8);
  const auto trie = ids::build_trie(table);
  FlatScorer scorer;
  const auto list = beam_search(scorer, trie, table.levels, 1, {.beam = 6, .k = 6})[0];
  for (size_t i = 1; i < list.size(); ++i) {
    const auto before = table.id_of(list[i - 1].track), after = table.id_of(list[i].track);
    if (list[i - 1].score != list[i].score) continue;
    EXPECT_TRUE(
        std::lexicographical_compare(before.begin(), before.end(), after.begin(), after.end()));
  }
}

TEST(BeamSearch, ReportsScoresThatAreNoNumbers) {
  const auto table = random_table(10, 4, 9);
  const auto trie = ids::build_trie(table);
  FlatScorer scorer;
  scorer.value = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(beam_search(scorer, trie, table.levels, 1, {}), NotFiniteError);
}

TEST(BeamSearch, FinishesIdsOfDifferentLengths) {
  // "0 3", "1 2 3" and "1 3" where 3 ends an ID; every position has the same level.
  ids::IdTable table;
  table.levels = {{0, 4}, {0, 4}, {0, 4}};
  const std::vector<std::vector<int32_t>> all = {{0, 3}, {1, 2, 3}, {1, 3}};
  for (const auto& id : all) {
    table.tokens.insert(table.tokens.end(), id.begin(), id.end());
    table.offsets.push_back(std::ssize(table.tokens));
  }
  const auto trie = ids::build_trie(table);
  FakeScorer scorer;
  const auto lists = beam_search(scorer, trie, table.levels, 1, {.beam = 8, .k = 8});
  std::set<int32_t> tracks;
  for (const auto& r : lists[0]) tracks.insert(r.track);
  EXPECT_EQ(tracks, (std::set<int32_t>{0, 1, 2}));
}

// Diverse beams as transformers 4.56 writes them: scores of all tokens of every beam of a group,
// tokens outside the trie at minus infinity, the penalty of every beam of the groups before, and
// with `renormalize` a softmax over what is left. No duplicates are replaced.
std::map<int32_t, float> diverse_beams_by_definition(const ids::IdTable& table, int32_t title,
                                                     Softmax softmax, int beams, int groups,
                                                     double penalty) {
  struct Partial {
    std::vector<int32_t> tokens;
    double score = 0;
  };
  std::vector<std::vector<Partial>> held(groups, std::vector<Partial>(1));
  for (size_t position = 0; position < table.levels.size(); ++position) {
    const auto& level = table.levels[position];
    const bool over_children =
        checkpoints::is_over_children(softmax, position + 1 == table.levels.size());
    std::map<int32_t, int> taken;
    for (auto& group : held) {
      std::vector<Partial> candidates;
      for (const Partial& beam : group) {
        std::set<int32_t> children;
        for (int32_t track = 0; track < table.num_tracks(); ++track) {
          const auto id = table.id_of(track);
          if (std::equal(beam.tokens.begin(), beam.tokens.end(), id.begin()))
            children.insert(id[position]);
        }
        const auto logits = FakeScorer::logits_of(title, beam.tokens, level);
        double sum = over_children ? 0.0 : mass_outside(softmax);
        for (int32_t t = level.first_token; t < level.first_token + level.num_tokens; ++t) {
          const double logit = logits[t - level.first_token];
          if (!over_children) sum += std::exp(logit);
          if (over_children && children.contains(t)) sum += std::exp(logit - penalty * taken[t]);
        }
        for (const int32_t t : children) {
          Partial next = beam;
          next.tokens.push_back(t);
          next.score += logits[t - level.first_token] - penalty * taken[t] - std::log(sum);
          candidates.push_back(std::move(next));
        }
      }
      std::sort(candidates.begin(), candidates.end(),
                [](const auto& a, const auto& b) { return a.score > b.score; });
      candidates.resize(std::min<size_t>(candidates.size(), beams / groups));
      group = std::move(candidates);
      for (const Partial& beam : group) ++taken[beam.tokens.back()];
    }
  }
  std::map<int32_t, float> best;  // by track
  for (const auto& group : held) {
    for (const Partial& beam : group) {
      for (int32_t track = 0; track < table.num_tracks(); ++track) {
        const auto id = table.id_of(track);
        if (!std::equal(id.begin(), id.end(), beam.tokens.begin(), beam.tokens.end())) continue;
        const auto [found, is_new] = best.try_emplace(track, static_cast<float>(beam.score));
        if (!is_new) found->second = std::max(found->second, static_cast<float>(beam.score));
      }
    }
  }
  return best;
}

TEST(DiverseBeams, AreThoseOfTheDefinitionForEverySoftmax) {
  const auto table = random_table(150, 8, 12);
  const auto trie = ids::build_trie(table);
  for (const Softmax softmax : {Softmax::kLevel, Softmax::kTrie, Softmax::kIds, Softmax::kFull}) {
    for (const auto& [groups, penalty] : {std::pair(1, 0.0), {3, 0.25}, {6, 0.25}, {6, 2.0}}) {
      FakeScorer scorer;
      const auto lists = beam_search(scorer, trie, table.levels, 3,
                                     {.beam = 12,
                                      .k = 12,
                                      .softmax = softmax,
                                      .groups = groups,
                                      .diversity = penalty,
                                      .distinct = false});
      for (int32_t title = 0; title < 3; ++title) {
        const auto expected =
            diverse_beams_by_definition(table, title, softmax, 12, groups, penalty);
        ASSERT_EQ(lists[title].size(), expected.size());
        for (const auto& r : lists[title]) {
          ASSERT_TRUE(expected.contains(r.track));
          EXPECT_NEAR(r.score, expected.at(r.track), 1e-4);
        }
        EXPECT_TRUE(std::is_sorted(lists[title].begin(), lists[title].end(),
                                   [](const auto& a, const auto& b) { return a.score > b.score; }));
      }
    }
  }
}

TEST(DiverseBeams, LeaveTracksToEachOther) {
  const auto table = random_table(300, 10, 13);
  const auto trie = ids::build_trie(table);
  for (const double penalty : {0.0, 0.25, 4.0}) {
    const BeamOptions options = {.beam = 20, .k = 20, .groups = 10, .diversity = penalty};
    BeamOptions as_they_come = options;
    as_they_come.distinct = false;
    FakeScorer scorer, other;
    const auto lists = beam_search(scorer, trie, table.levels, 4, options);
    const auto fewer = beam_search(other, trie, table.levels, 4, as_they_come);
    for (size_t title = 0; title < lists.size(); ++title) {
      std::set<int32_t> tracks;
      for (const auto& r : lists[title]) tracks.insert(r.track);
      EXPECT_EQ(tracks.size(), lists[title].size());
      EXPECT_GE(lists[title].size(), 15U);  // groups may run out of suffixes
      if (penalty == 0) {                   // all groups find the same two
        EXPECT_LE(fewer[title].size(), 2U);
        for (const auto& r : fewer[title]) EXPECT_TRUE(tracks.contains(r.track));
      }
    }
  }
}

TEST(DiverseBeams, StartEveryGroupWithAnotherTokenWhenThePenaltyIsLarge) {
  const auto table = random_table(400, 10, 14);
  const auto trie = ids::build_trie(table);
  FakeScorer scorer;
  const auto lists = beam_search(scorer, trie, table.levels, 2,
                                 {.beam = 10, .k = 10, .groups = 10, .diversity = 1e3});
  for (const auto& list : lists) {
    std::set<int32_t> first_tokens;
    for (const auto& r : list) first_tokens.insert(table.id_of(r.track)[0]);
    EXPECT_EQ(first_tokens.size(), 10U);
  }
}

TEST(DiverseBeams, AskTheModelOnceForAPartialIdThatSeveralGroupsHold) {
  const auto table = random_table(300, 10, 15);
  const auto trie = ids::build_trie(table);
  FakeScorer one, ten;
  beam_search(one, trie, table.levels, 1, {.beam = 2, .k = 2, .distinct = false});
  beam_search(ten, trie, table.levels, 1,
              {.beam = 20, .k = 2, .groups = 10, .diversity = 0, .distinct = false});
  EXPECT_EQ(ten.num_rows, one.num_rows);
}

}  // namespace
}  // namespace tutti::trainer
