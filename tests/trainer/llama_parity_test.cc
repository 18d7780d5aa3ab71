// Llama and Qwen of transformers, recorded by tests/conformance/make_model_goldens.py; each file
// tells the version.
#include <filesystem>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/support/model_case.h"

namespace tutti::trainer {
namespace {

class LlamaParity : public testing::TestWithParam<const char*> {};

TEST_P(LlamaParity, HoldsForLossLogitsAndEveryGradient) {
  at::set_num_threads(1);
  const auto golden = std::filesystem::path(TUTTI_MODEL_GOLDENS) /
                      (std::string("llama_") + GetParam() + ".safetensors");
  const auto errors = relative_errors_of_case(golden);
  EXPECT_GT(errors.size(), 20U);
  for (const auto& [name, error] : errors) EXPECT_LE(error, 1e-5) << name;
}

INSTANTIATE_TEST_SUITE_P(Forms, LlamaParity,
                         testing::Values("tied", "untied", "long_context", "qwen2", "qwen3"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace tutti::trainer
