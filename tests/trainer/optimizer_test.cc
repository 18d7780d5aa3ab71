#include "trainer/optimizer.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/trainer/small_world.h"

namespace tutti::trainer {
namespace {

TEST(AdamW, MakesTheStepsOfThePaperAndClipsByTheDivisor) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Model model(small_t5(table));
  model.initialize(3);
  const AdamWOptions options = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
  AdamW optimizer(model, options);

  const int64_t n = model.flat_values().numel();
  std::vector<double> value(n), m(n, 0.0), v(n, 0.0);
  for (int64_t i = 0; i < n; ++i) value[i] = model.flat_values().const_data_ptr<float>()[i];
  const double divisor = 2.5;
  for (int64_t step = 1; step <= 3; ++step) {
    Rng rng(step, Purpose::kTest);
    auto* grads = model.flat_grads().mutable_data_ptr<float>();
    for (int64_t i = 0; i < n; ++i) grads[i] = static_cast<float>(rng.normal());
    for (int64_t i = 0; i < n; ++i) {
      const double g = grads[i] / divisor;
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(options.beta1, step));
      const double v_hat = v[i] / (1 - std::pow(options.beta2, step));
      const double decay = i < model.num_decay_elements() ? options.weight_decay : 0.0;
      value[i] -= 1e-2 * (m_hat / (std::sqrt(v_hat) + options.epsilon) + decay * value[i]);
    }
    optimizer.step(1e-2, divisor);
  }
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_NEAR(model.flat_values().const_data_ptr<float>()[i], value[i], 2e-5) << "element " << i;
  }
}

TEST(FlatBuffers, HoldNormsAndPositionBiasesBehindWhatDecays) {
  const ids::IdTable table = random_id_table(50, 4, 1);
  T5Model model(small_t5(table));
  const float* begin = model.flat_values().const_data_ptr<float>();
  for (const Parameter& p : model.parameters()) {
    if (p.rows) continue;  // not in the flat buffers
    const bool is_vector_like =
        p.name.find("norm") != std::string::npos || p.name.find("bias") != std::string::npos;
    EXPECT_EQ(p.value.const_data_ptr<float>() - begin >= model.num_decay_elements(), is_vector_like)
        << p.name;
  }
}

}  // namespace
}  // namespace tutti::trainer
