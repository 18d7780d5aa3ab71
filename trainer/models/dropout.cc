#include "trainer/models/dropout.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/empty.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "trainer/models/fused_support.h"

namespace tutti::trainer {
namespace {

constexpr uint32_t kRange = 1U << 16;  // a random number of 32 bits decides about two elements

// One row of factors from the stream that counter words 1 to 3 name.
void fill_row(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key, uint32_t threshold,
              float scale, std::vector<uint32_t>& random, float* out, int64_t columns) {
  random.resize((columns + 1) / 2);
  philox4x32_run(counter, key, random);
  const auto factor = [=](uint32_t bits) { return bits < threshold ? 0.0F : scale; };
  for (int64_t i = 0; i + 1 < columns; i += 2) {
    out[i] = factor(random[i / 2] % kRange);
    out[i + 1] = factor(random[i / 2] / kRange);
  }
  if (columns % 2 == 1) out[columns - 1] = factor(random.back() % kRange);
}

}  // namespace

Dropout::Dropout(double rate, uint64_t seed, int64_t step)
    : key_(random_u64(seed, Purpose::kDropout, step)),
      threshold_(static_cast<uint32_t>(std::lround(rate * kRange))),
      scale_(static_cast<float>(kRange / static_cast<double>(kRange - threshold_))) {
  TUTTI_CHECK(rate >= 0 && threshold_ < kRange, "a rate below 1");
}

at::Tensor Dropout::factors(uint32_t place, const std::vector<uint64_t>& row_keys,
                            int64_t columns) const {
  return attention_factors(place, row_keys, /*heads=*/1, columns)[0];
}

// A head takes counters of its own, so that a row's factors do not depend on the longest row.
at::Tensor Dropout::attention_factors(uint32_t place, const std::vector<uint64_t>& row_keys,
                                      int64_t heads, int64_t longest) const {
  constexpr int kHeadShift = 24;  // 2^24 counters a head: 2^27 columns
  const auto rows = std::ssize(row_keys);
  TUTTI_CHECK(heads <= 1 << (32 - kHeadShift) && longest <= int64_t{1} << (kHeadShift + 3));
  at::Tensor out = at::empty({heads, rows, longest}, at::kFloat);
  auto* data = out.mutable_data_ptr<float>();
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(key_),
                                       static_cast<uint32_t>(key_ >> 32)};
  at::parallel_for(0, heads * rows, rows_per_task(longest), [&](int64_t first, int64_t last) {
    std::vector<uint32_t> random;
    for (int64_t i = first; i < last; ++i) {
      const uint64_t row = row_keys[i % rows];
      fill_row({static_cast<uint32_t>(i / rows) << kHeadShift, place, static_cast<uint32_t>(row),
                static_cast<uint32_t>(row >> 32)},
               key, threshold_, scale_, random, data + i * longest, longest);
    }
  });
  return out;
}

uint64_t row_key(uint64_t parent, int64_t token) {
  return random_u64(parent, Purpose::kDropout, static_cast<uint64_t>(token));
}

LayerDropout LayerDropout::in_layer(size_t layer) const {
  LayerDropout other = *this;
  other.layer_ = static_cast<uint32_t>(layer);
  return other;
}

uint32_t LayerDropout::place_number(Place place) const {
  return stack_ << 24 | layer_ << 8 | static_cast<uint32_t>(place);
}

at::Tensor LayerDropout::factors_for(Place place, const at::Tensor& x) const {
  return dropout_->factors(place_number(place), *row_keys_, x.size(1)).to(x.device());
}

at::Tensor LayerDropout::apply(Place place, const at::Tensor& x) const {
  if (!is_on()) return x;
  return (x * factors_for(place, x)).to(x.scalar_type());
}

at::Tensor LayerDropout::add(Place place, const at::Tensor& residual, const at::Tensor& x) const {
  if (!is_on()) return residual + x;
  return at::addcmul(residual, x.to(residual.scalar_type()), factors_for(place, x));
}

at::Tensor LayerDropout::attention_factors(Place place, int64_t heads, int64_t longest) const {
  if (!is_on()) return {};
  return dropout_->attention_factors(place_number(place), *row_keys_, heads, longest);
}

}  // namespace tutti::trainer
