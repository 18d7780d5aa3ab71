#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/trainer/small_runs.h"

// Steps whose loss or gradient is not finite.
namespace tutti::trainer {
namespace {

class NotFiniteSteps : public SmallRuns {
 protected:
  // A run in which the gradient of one parameter of rank 1 is spoiled on its way back, in the first
  // `times` backward passes behind step 2.
  std::vector<StepReport> with_a_spoiled_gradient(Communicator& comm, int64_t steps, int times) {
    T5Model model(config_);
    model.initialize(2);
    std::vector<StepReport> reports;
    int left = 0;
    model.find("encoder.final_layer_norm.weight")
        ->value.register_hook([&left](const at::Tensor& gradient) {
          return left-- > 0 ? gradient * std::numeric_limits<float>::infinity() : gradient;
        });
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    hooks.report = [&](const StepReport& r) {
      reports.push_back(r);
      if (r.step == 2 && comm.rank() == 1) left = times;
    };
    TrainerOptions o = options(steps);
    o.non_finite = NonFinite::kSkip;
    run_of(comm, o, hooks, model);
    return reports;
  }
};

// Rank 1 spoils its parameters before steps 2 and 3 and heals them behind step 3: both ranks must
// skip the same steps.
TEST_F(NotFiniteSteps, SkipsTheSameNotFiniteStepsOnAllRanksAndGoesOn) {
  std::vector<std::vector<bool>> skipped(2);
  std::vector<TrainState> states(2);
  run_ranks(2, [&](Communicator& comm) {
    T5Model model(config_);
    model.initialize(2);
    const float healthy = model.flat_values()[3].item<float>();
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    hooks.report = [&](const StepReport& r) {
      skipped[comm.rank()].push_back(r.skipped);
      if (r.skipped) {
        EXPECT_FALSE(std::isfinite(r.loss) && std::isfinite(r.grad_norm));
        EXPECT_EQ(r.not_finite, "the loss of rank 1");
        EXPECT_EQ(r.not_finite_phase, "loss");
        EXPECT_EQ(r.not_finite_rank, 1);
      }
      if (comm.rank() != 1) return;
      if (r.step == 2) model.flat_values()[3] = std::numeric_limits<float>::quiet_NaN();
      if (r.step == 4) model.flat_values()[3] = healthy;
    };
    TrainerOptions o = options(6);
    o.non_finite = NonFinite::kSkip;
    const Run run = run_of(comm, o, hooks, model);
    EXPECT_EQ(run.end, TrainEnd::kDone);
    EXPECT_EQ(run.updates, 4);
    states[comm.rank()] = run.state;
  });
  EXPECT_EQ(skipped[0], (std::vector<bool>{false, false, true, true, false, false}));
  EXPECT_EQ(skipped[1], skipped[0]);
  EXPECT_EQ(states[0].skipped, 2);
  EXPECT_EQ(states[0].skipped_in_a_row, 0);
  EXPECT_EQ(states[0], states[1]);
}

TEST_F(NotFiniteSteps, TracesAGradientThatIsNotFiniteToRankAndParameter) {
  run_ranks(2, [&](Communicator& comm) {
    const std::vector<StepReport> reports = with_a_spoiled_gradient(comm, 6, 2);
    ASSERT_EQ(reports.size(), 6U);
    for (const StepReport& r : reports) EXPECT_EQ(r.skipped, r.step == 3);
    const StepReport& bad = reports[2];
    EXPECT_TRUE(std::isfinite(bad.loss));
    EXPECT_EQ(bad.not_finite, "the gradient of rank 1 (encoder.final_layer_norm.weight)");
    EXPECT_EQ(bad.not_finite_phase, "backward");
    EXPECT_EQ(bad.not_finite_rank, 1);
    EXPECT_TRUE(std::isfinite(reports[3].grad_norm)) << "the step after it is as good as any";
  });
}

TEST_F(NotFiniteSteps, SaysThatABadGradientDidNotComeAgain) {
  run_ranks(2, [&](Communicator& comm) {
    const std::vector<StepReport> reports = with_a_spoiled_gradient(comm, 4, 1);
    ASSERT_EQ(reports.size(), 4U);
    EXPECT_TRUE(reports[2].skipped);
    EXPECT_EQ(reports[2].not_finite_phase, "sum");
    EXPECT_EQ(reports[2].not_finite_rank, -1);
    EXPECT_NE(reports[2].not_finite.find("once more"), std::string::npos) << reports[2].not_finite;
  });
}

TEST_F(NotFiniteSteps, StopsAtANotFiniteStepWithACheckpointOfTheStateBeforeIt) {
  const std::unique_ptr<Communicator> comm = make_single_communicator();
  for (const bool skip : {false, true}) {
    T5Model model(config_);
    model.initialize(2);
    Outcome ignored;
    TrainerHooks hooks = recording(ignored);
    int64_t reports = 0;
    hooks.report = [&](const StepReport&) {
      if (++reports == 2) model.flat_values()[3] = std::numeric_limits<float>::quiet_NaN();
    };
    TrainState kept;
    hooks.checkpoint = [&](const TrainState& s) { kept = s; };
    TrainerOptions o = options(20);
    o.checkpoint_every = 100;
    o.non_finite = skip ? NonFinite::kSkip : NonFinite::kStop;
    o.non_finite_limit = 3;
    try {
      run_of(*comm, o, hooks, model);
      FAIL() << "trained on NaN";
    } catch (const NotFiniteError& error) {
      EXPECT_EQ(error.code(), ExitCode::kNotFinite);
      const std::string at = skip ? "step 5:" : "step 3:";
      EXPECT_EQ(std::string(error.what()).find(at), 0U) << error.what();
    }
    EXPECT_EQ(kept.step, skip ? 5 : 2);
    EXPECT_EQ(kept.updates(), 2);
  }
}

}  // namespace
}  // namespace tutti::trainer
