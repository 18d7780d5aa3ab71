#include "trainer/train_state.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"
#include "trainer/step_report.h"

namespace tutti::trainer {
namespace {

TEST(TrainState, SurvivesAStateFile) {
  const TrainState state = {.step = 1200,
                            .skipped = 3,
                            .skipped_in_a_row = 1,
                            .best_hits = 0.12345678901234567,
                            .best_step = 1000,
                            .validations_since_best = 2,
                            .updates_before_thaw = 100};
  EXPECT_EQ(train_state_from_json(nlohmann::json::parse(to_json(state).dump()), "state.json"),
            state);
  EXPECT_EQ(state.updates(), 1097);
  EXPECT_EQ(train_state_from_json(to_json(TrainState{}), "state.json"), TrainState{});
}

TEST(TrainState, NamesTheFileAndTheFieldThatIsMissingOrWrong) {
  nlohmann::json json = to_json(TrainState{});
  json.erase("skipped");
  const auto message = [&] {
    return message_of<DataError>([&] { train_state_from_json(json, "run/state.json"); });
  };
  EXPECT_NE(message().find("run/state.json"), std::string::npos) << message();
  EXPECT_NE(message().find("'skipped'"), std::string::npos) << message();
  json["skipped"] = -1;
  EXPECT_NE(message().find("found -1"), std::string::npos) << message();
  json["updates_before_thaw"] = -1;
  json["skipped"] = 0;
  EXPECT_NE(message().find("'updates_before_thaw'"), std::string::npos) << message();
  json.erase("updates_before_thaw");  // of a run that knew no thaw
  EXPECT_EQ(train_state_from_json(json, "run/state.json"), TrainState{});
  json = nlohmann::json();
  EXPECT_NE(message().find("'step'"), std::string::npos) << message();
}

TEST(StepReport, WritesRatesOverTheWholeStep) {
  const StepReport report = {.step = 7,
                             .loss = 3.5,
                             .level_loss = {2.0, 1.5},
                             .pairs = 300,
                             .nodes = 250,
                             .tokens = 270,
                             .flops = 4e9,
                             .step_ms = 20,
                             .peak_memory_bytes = 3 << 20};
  const nlohmann::json json = to_json(report, /*peak_flops=*/1e12);
  EXPECT_DOUBLE_EQ(json.at("pairs_per_s"), 15000);
  EXPECT_DOUBLE_EQ(json.at("nodes_per_s"), 12500);
  EXPECT_DOUBLE_EQ(json.at("tokens_per_s"), 13500);
  EXPECT_DOUBLE_EQ(json.at("flops_per_s"), 2e11);
  EXPECT_DOUBLE_EQ(json.at("peak_share"), 0.2);
  EXPECT_DOUBLE_EQ(json.at("peak_memory_mib"), 3);
  EXPECT_EQ(json.at("level_loss"), nlohmann::json({2.0, 1.5}));
}

TEST(StepClock, CountsTheProcessorsWorkNotTheWaiting) {
  StepClock clock;
  clock.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  const double waited = clock.cpu_ms();
  volatile double sink = 0;
  while (clock.cpu_ms() < waited + 20) sink = sink + 1;
  EXPECT_LT(waited, 50);
  EXPECT_GE(clock.lap_ms(), 60);
}

}  // namespace
}  // namespace tutti::trainer
