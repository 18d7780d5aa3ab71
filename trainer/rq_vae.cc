#include "trainer/rq_vae.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kBlock = 512;

std::vector<int64_t> widths_of(const RqVaeShape& shape) {
  std::vector<int64_t> widths{shape.dim};
  widths.insert(widths.end(), shape.hidden.begin(), shape.hidden.end());
  widths.push_back(shape.latent);
  return widths;
}

// Rows in blocks of one shape through `run`, [n, in] -> [n, out].
template <typename Run>
std::vector<float> in_blocks(std::span<const float> rows, int64_t in, int64_t out, const Run& run) {
  const c10::NoGradGuard no_grad;
  const int64_t n = std::ssize(rows) / in;
  std::vector<float> result(n * out);
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t count = std::min(kBlock, n - first);
    const at::Tensor block = at::zeros({kBlock, in}, at::kFloat);
    std::copy_n(rows.data() + first * in, count * in, block.mutable_data_ptr<float>());
    const at::Tensor made = run(block).contiguous();
    std::copy_n(made.template const_data_ptr<float>(), count * out, result.data() + first * out);
  }
  return result;
}

}  // namespace

RqVae::RqVae(const RqVaeShape& shape, uint64_t seed) : shape_(shape) {
  const c10::NoGradGuard no_grad;
  std::vector<int64_t> widths = widths_of(shape);
  uint64_t stream = 0;
  for (const char* side : {"encoder", "decoder"}) {
    for (size_t layer = 0; layer + 1 < widths.size(); ++layer) {
      const int64_t in = widths[layer], out = widths[layer + 1];
      const at::Tensor matrix = at::empty({out, in}, at::kFloat);
      Rng rng(seed, Purpose::kModelInit, stream++);
      const double size = std::sqrt(2.0 / static_cast<double>(in));  // He et al., 2015
      auto* values = matrix.mutable_data_ptr<float>();
      for (int64_t i = 0; i < matrix.numel(); ++i) {
        values[i] = static_cast<float>(size * rng.normal());
      }
      weights_.push_back({fmt::format("{}.{}.weight", side, layer), matrix});
      weights_.push_back({fmt::format("{}.{}.bias", side, layer), at::zeros({out}, at::kFloat)});
    }
    std::ranges::reverse(widths);
  }
  for (Weight& weight : weights_) weight.value.requires_grad_(true);
}

at::Tensor RqVae::encode(const at::Tensor& vectors) const {
  at::Tensor x = vectors;
  const size_t half = weights_.size() / 2;
  for (size_t i = 0; i < half; i += 2) {
    if (i > 0) x = at::relu(x);
    x = at::linear(x, weights_[i].value, weights_[i + 1].value);
  }
  return x;
}

at::Tensor RqVae::decode(const at::Tensor& latents) const {
  at::Tensor x = latents;
  const size_t half = weights_.size() / 2;
  for (size_t i = half; i < weights_.size(); i += 2) {
    if (i > half) x = at::relu(x);
    x = at::linear(x, weights_[i].value, weights_[i + 1].value);
  }
  return x;
}

std::vector<float> latents_of(const RqVae& model, std::span<const float> rows) {
  return in_blocks(rows, model.shape().dim, model.shape().latent,
                   [&](const at::Tensor& block) { return model.encode(block); });
}

std::vector<float> vectors_of(const RqVae& model, std::span<const float> latents) {
  return in_blocks(latents, model.shape().latent, model.shape().dim,
                   [&](const at::Tensor& block) { return model.decode(block); });
}

}  // namespace tutti::trainer
