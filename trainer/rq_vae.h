#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"

namespace tutti::trainer {

struct RqVaeShape {
  int64_t dim = 0;                        // D of the vectors
  std::vector<int64_t> hidden{256, 128};  // widths between vector and latent, back in reverse
  int64_t latent = 32;
};

// Vectors become latents by a small network, latents sums of codes, and sums vectors again by
// another (RQ-VAE: Lee et al., 2022; for IDs: Rajput et al., 2023). Linear layers with ReLU
// between.
class RqVae {
 public:
  // Random weights.
  RqVae(const RqVaeShape& shape, uint64_t seed);

  struct Weight {
    std::string name;  // "encoder.0.weight" [out, in], "encoder.0.bias" [out]
    at::Tensor value;  // a leaf that wants a gradient
  };

  const RqVaeShape& shape() const { return shape_; }
  const std::vector<Weight>& weights() const { return weights_; }
  at::Tensor encode(const at::Tensor& vectors) const;  // [n, D] -> [n, latent]
  at::Tensor decode(const at::Tensor& latents) const;  // [n, latent] -> [n, D]

  // What is done to a vector first, so that the network sees numbers of size 1: scaled as `norm`
  // says, less the mean, divided by `deviation`.
  ids::NormHandling norm = ids::NormHandling::kDamped;
  std::vector<float> mean;  // [D]
  double deviation = 1;
  ids::Codebooks codebooks;  // of latents: raw, of mean zero

 private:
  RqVaeShape shape_;
  std::vector<Weight> weights_;
};

struct RqVaeOptions {
  RqVaeShape shape;
  std::vector<int64_t> num_codes{256, 256, 256};  // K of each level
  int64_t steps = 3000;
  int64_t batch = 2048;         // rows a step, in shards of 256
  double warm_up = 0.1;         // share of the steps without codes, before k-means starts them
  double learning_rate = 2e-3;  // Adam; falls to a tenth along a cosine
  double commitment = 0.25;     // weight of |latent - codes|^2, level by level
  double ema = 0.99;            // what is left of old counts and sums after a step
  double dead_rows = 0.5;       // of the moving count a step; a code below is put on a row
  uint64_t seed = 0;
};

struct RqVaeStep {  // means over the rows of a step
  double reconstruction = 0, commitment = 0;
  int64_t codes_reset = 0;
};

// Trains on `rows` [N, D], x' / deviation as above, whole on every rank. A step's shards are dealt
// to the ranks, and what they make of them is added as fixed-point integers: gradients, and the
// rows and their number of each code, of which codebooks are moving means (van den Oord et al.,
// 2017). So weights and codebooks are the same bytes at any world size. Codebooks start from
// k-means over the latents of up to 64 K rows. Collective.
RqVae train_rq_vae(std::span<const float> rows, const RqVaeOptions& options, Communicator& comm,
                   ThreadPool& pool, const std::function<void(int64_t, const RqVaeStep&)>& on_step);

// Latents [n, latent] of rows [n, D], x' / deviation, in blocks of 512: a row's depend on its place
// in the block, so `rows` begin at a whole one.
std::vector<float> latents_of(const RqVae& model, std::span<const float> rows);
// The other way.
std::vector<float> vectors_of(const RqVae& model, std::span<const float> latents);

}  // namespace tutti::trainer
