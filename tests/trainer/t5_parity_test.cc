// T5 of transformers, recorded by tests/conformance/make_model_goldens.py; each file tells the
// version.
#include <filesystem>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/support/model_case.h"

namespace tutti::trainer {
namespace {

class T5Parity : public testing::TestWithParam<const char*> {};

TEST_P(T5Parity, HoldsForLossLogitsAndEveryGradient) {
  at::set_num_threads(1);
  const auto golden = std::filesystem::path(TUTTI_MODEL_GOLDENS) /
                      (std::string("t5_") + GetParam() + ".safetensors");
  const auto errors = relative_errors_of_case(golden);
  EXPECT_GT(errors.size(), 20U);
  for (const auto& [name, error] : errors) EXPECT_LE(error, 1e-5) << name;
}

INSTANTIATE_TEST_SUITE_P(Forms, T5Parity,
                         testing::Values("v10_tied", "v11_untied", "v10_untied", "v11_tied",
                                         "few_buckets", "long_titles"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace tutti::trainer
