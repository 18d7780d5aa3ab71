#include "dist/launcher.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dist/communicator.h"
#include "dist/runtime/errors.h"

namespace tutti {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Variables = std::vector<std::pair<std::string, std::string>>;

// The environment holds exactly these launcher variables while this lives.
class LauncherEnvironment {
 public:
  explicit LauncherEnvironment(const Variables& variables) {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) saved_[name] = value;
      ::unsetenv(name);
    }
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~LauncherEnvironment() {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : saved_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  LauncherEnvironment(const LauncherEnvironment&) = delete;
  LauncherEnvironment& operator=(const LauncherEnvironment&) = delete;

 private:
  static constexpr std::array kNames = {
      "OMPI_COMM_WORLD_SIZE", "PMI_RANK",     "PMI_SIZE",    "PMIX_RANK",
      "SLURM_STEP_ID",        "SLURM_PROCID", "SLURM_NTASKS"};
  std::map<std::string, std::string> saved_;
};

int tasks_seen() {
  const auto launcher = detect_launcher();
  return launcher ? launcher->num_tasks : -1;
}

TEST(Launcher, IsNotSeenInAPlainProcess) {
  const LauncherEnvironment environment(Variables{});
  EXPECT_EQ(tasks_seen(), -1);
  EXPECT_EQ(make_communicator_from_environment()->size(), 1);
}

TEST(Launcher, IsSeenFromMpirunVariables) {
  {
    const LauncherEnvironment environment(Variables{{"OMPI_COMM_WORLD_SIZE", "3"}});
    EXPECT_EQ(tasks_seen(), 3);
  }
  {
    const LauncherEnvironment environment(Variables{{"PMI_RANK", "0"}, {"PMI_SIZE", "4"}});
    EXPECT_EQ(tasks_seen(), 4);
  }
  {
    const LauncherEnvironment environment(Variables{{"PMIX_RANK", "1"}});
    EXPECT_EQ(tasks_seen(), 0);
  }
}

TEST(Launcher, IsSeenInASlurmStepOfSeveralTasks) {
  const LauncherEnvironment environment(
      Variables{{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "8"}});
  EXPECT_EQ(tasks_seen(), 8);
}

TEST(Launcher, IsNotSeenInABatchScriptOrAStepOfOneTask) {
  {
    const LauncherEnvironment environment(Variables{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}});
    EXPECT_EQ(tasks_seen(), -1);
    EXPECT_EQ(make_communicator_from_environment()->size(), 1);
  }
  {
    const LauncherEnvironment environment(
        Variables{{"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}});
    EXPECT_EQ(tasks_seen(), -1);
  }
}

TEST(Launcher, MpirunWinsOverTheSlurmStepThatItRunsIn) {
  const LauncherEnvironment environment(Variables{{"OMPI_COMM_WORLD_SIZE", "16"},
                                                  {"SLURM_STEP_ID", "0"},
                                                  {"SLURM_PROCID", "0"},
                                                  {"SLURM_NTASKS", "2"}});
  EXPECT_EQ(tasks_seen(), 16);
}

TEST(Launcher, NumbersThatAreNoneCountAsUnknown) {
  const LauncherEnvironment environment(Variables{{"OMPI_COMM_WORLD_SIZE", "many"}});
  EXPECT_EQ(tasks_seen(), 0);
}

TEST(Launcher, RefusesASilentSingletonAndNamesTheFix) {
  try {
    refuse_singleton(Launcher{"SLURM_NTASKS", 4}, 1);
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("SLURM_NTASKS=4"), HasSubstr("world of size 1"),
                                HasSubstr("srun --mpi=pmix")));
  }
}

TEST(Launcher, AcceptsAWorldThatFits) {
  EXPECT_NO_THROW(refuse_singleton(Launcher{"OMPI_COMM_WORLD_SIZE", 4}, 4));
  EXPECT_NO_THROW(refuse_singleton(Launcher{"OMPI_COMM_WORLD_SIZE", 1}, 1));
  EXPECT_NO_THROW(refuse_singleton(Launcher{"PMIX_RANK", 0}, 1));
  EXPECT_NO_THROW(refuse_singleton(std::nullopt, 1));
}

}  // namespace
}  // namespace tutti
