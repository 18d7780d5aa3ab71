#include "checkpoints/softmax.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::HasSubstr;

TEST(SoftmaxNames, AreReadFromOptionsAndCheckpoints) {
  for (const char* name : {"level", "trie", "ids", "full"}) {
    EXPECT_STREQ(name_of(softmax_from_name(name)), name);
    EXPECT_EQ(softmax_of({{"softmax", name}}, "run"), softmax_from_name(name));
  }
}

TEST(SoftmaxNames, ThatAreUnknownAreRefused) {
  EXPECT_THAT(message_of<UsageError>([] { softmax_from_name("sparse"); }),
              testing::AllOf(HasSubstr("--softmax"), HasSubstr("sparse"), HasSubstr("trie")));
  for (const nlohmann::json& state :
       {nlohmann::json::object(), nlohmann::json{{"softmax", "x"}}, {{"softmax", 3}}}) {
    EXPECT_THAT(message_of<DataError>([&] { softmax_of(state, "run"); }),
                testing::AllOf(HasSubstr("run/state.json"), HasSubstr("softmax")));
  }
}

}  // namespace
}  // namespace tutti::checkpoints
