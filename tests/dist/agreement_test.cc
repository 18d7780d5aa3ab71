#include "dist/agreement.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/process.h"
#include "tests/support/thread_communicator.h"

namespace tutti {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What each of three ranks is told.
std::vector<std::string> told(const std::function<Facts(int)>& facts_of) {
  std::vector<std::string> messages(3);
  run_ranks(3, [&](Communicator& comm) {
    try {
      require_agreement(comm, facts_of(comm.rank()));
    } catch (const UsageError& error) {
      messages[comm.rank()] = error.what();
    }
  });
  return messages;
}

TEST(Agreement, IsSilentWhenAllRanksBringTheSame) {
  for (const auto& message : told([](int) { return Facts{{"the options", "a"}, {"IDs", ""}}; })) {
    EXPECT_EQ(message, "");
  }
}

TEST(Agreement, NamesFactRankAndHostOnEveryRank) {
  const auto messages = told([](int rank) {
    return Facts{{"the options", "a"}, {"the dataset", rank == 2 ? "other" : "same"}};
  });
  for (const auto& message : messages) {
    EXPECT_THAT(message, AllOf(HasSubstr("the dataset of rank 2"), HasSubstr(host_name())));
  }
}

TEST(Agreement, KnowsTheProgramByItsBytes) {
  EXPECT_EQ(hash_of_this_program().size(), 64U);
}

}  // namespace
}  // namespace tutti
