#include "trainer/warm_start.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "tests/trainer/small_world.h"
#include "trainer/models/make_model.h"

namespace tutti::trainer {
namespace {

class WarmStart : public testing::Test {
 protected:
  WarmStart() : table_(random_id_table(60, 3, 1)), before_(small_t5(table_)) {
    before_.initialize(7);
  }

  // The table with more numbers in its last level.
  ids::IdTable grown_by(int32_t suffixes) const {
    ids::IdTable grown = table_;
    grown.levels.back().num_tokens += suffixes;
    return grown;
  }
  static at::Tensor value_of(IdModel& model, const std::string& name) {
    return model.find(name)->value;
  }

  ids::IdTable table_;
  T5Model before_;
};

TEST_F(WarmStart, KeepsEveryWeightAndStartsNewTokensAtTheMeanOfTheirLevel) {
  const ids::IdTable grown = grown_by(2);
  const auto after = make_model(shape_under(before_, grown));
  after->initialize(99);
  EXPECT_EQ(carry_over(before_, grown, *after), 2);

  const int64_t known = table_.num_tokens(), first = table_.levels.back().first_token;
  for (Parameter& p : before_.parameters()) {
    const at::Tensor now = value_of(*after, p.name);
    const bool rows_of_ids = p.shape[0] == known;
    ASSERT_EQ(now.size(0), p.shape[0] + (rows_of_ids ? 2 : 0)) << p.name;
    EXPECT_TRUE(now.narrow(0, 0, p.shape[0]).equal(p.value)) << p.name;
    if (!rows_of_ids) continue;
    const at::Tensor mean = p.value.narrow(0, first, known - first).mean(0);
    for (int64_t added : {known, known + 1}) EXPECT_TRUE(now[added].equal(mean)) << p.name;
  }
}

// Models of 0.1 had input rows for all tokens.
TEST_F(WarmStart, LeavesInputRowsOfTokensThatNobodyReads) {
  T5Config config = small_t5(table_);
  config.unread_ids = 0;
  T5Model older(config);
  older.initialize(7);
  const ids::IdTable grown = grown_by(2);
  const auto after = make_model(shape_under(older, grown));
  EXPECT_EQ(carry_over(older, grown, *after), 2);
  const int64_t read = table_.levels.back().first_token;
  const at::Tensor rows = value_of(*after, "id_embedding.weight");
  ASSERT_EQ(rows.size(0), read);
  EXPECT_TRUE(rows.equal(value_of(older, "id_embedding.weight").narrow(0, 0, read)));
  EXPECT_EQ(value_of(*after, "lm_head.id.weight").size(0), grown.num_tokens());
}

TEST_F(WarmStart, IsTheSameModelWhenNoTokenIsNew) {
  const auto after = make_model(shape_under(before_, table_));
  EXPECT_EQ(carry_over(before_, table_, *after), 0);
  for (Parameter& p : before_.parameters()) {
    EXPECT_TRUE(value_of(*after, p.name).equal(p.value)) << p.name;
  }
}

TEST_F(WarmStart, RefusesATableWithoutTokensThatTheModelKnows) {
  ids::IdTable other = table_;
  other.levels.pop_back();
  const auto after = make_model(shape_under(before_, other));
  EXPECT_THROW(carry_over(before_, other, *after), DataError);
}

}  // namespace
}  // namespace tutti::trainer
