#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/fixed_point.h"
#include "ids/residual_quantizer.h"
#include "trainer/rq_vae.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kShard = 256;              // rows that are computed on together
constexpr int64_t kRowsACodeAtStart = 64;    // of the k-means that starts the codebooks
constexpr int64_t kStepsBetweenResets = 50;  // of dead codes
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

class Training {
 public:
  Training(std::span<const float> rows, const RqVaeOptions& options, Communicator& comm,
           ThreadPool& pool)
      : rows_(rows),
        num_rows_(std::ssize(rows) / options.shape.dim),
        options_(options),
        comm_(comm),
        pool_(pool),
        model_(options.shape, options.seed),
        latent_(options.shape.latent),
        num_shards_((options.batch + kShard - 1) / kShard) {
    TUTTI_CHECK(num_rows_ > 0 && !options.num_codes.empty());
    for (const auto& weight : model_.weights()) num_weights_ += weight.value.numel();
    moment1_.assign(num_weights_, 0);
    moment2_.assign(num_weights_, 0);
    for (const int64_t k : options.num_codes) num_codes_ += k;
  }

  RqVae run(const std::function<void(int64_t, const RqVaeStep&)>& on_step) {
    const auto warm_up =
        static_cast<int64_t>(options_.warm_up * static_cast<double>(options_.steps));
    for (int64_t step = 0; step < options_.steps; ++step) {
      if (step == warm_up) start_codebooks();
      const RqVaeStep done = make_step(step);
      if (on_step) on_step(step, done);
    }
    if (model_.codebooks.levels.empty()) start_codebooks();
    return std::move(model_);
  }

 private:
  // What a shard of rows contributes; sums over all shards, however they are dealt, are equal.
  struct Shard {
    std::vector<float> gradient;   // [num_weights]
    std::vector<float> residuals;  // [L, kShard, latent], what each level saw
    std::vector<int32_t> codes;    // [L, kShard]
    double reconstruction = 0, commitment = 0;
  };

  bool has_codes() const { return !model_.codebooks.levels.empty(); }
  int64_t num_levels() const { return std::ssize(options_.num_codes); }

  // Row `at` of the step's batch: epochs walk through all rows, each in an order of its own.
  int64_t row_of(int64_t step, int64_t at) const {
    const int64_t drawn = step * num_shards_ * kShard + at;
    const Permutation order(num_rows_, options_.seed, Purpose::kRowSample,
                            1 + static_cast<uint64_t>(drawn / num_rows_));
    return static_cast<int64_t>(order(drawn % num_rows_));
  }

  at::Tensor rows_of(int64_t step, int64_t shard) const {
    const int64_t dim = options_.shape.dim;
    const at::Tensor x = at::empty({kShard, dim}, at::kFloat);
    for (int64_t i = 0; i < kShard; ++i) {
      std::copy_n(rows_.data() + row_of(step, shard * kShard + i) * dim, dim,
                  x.mutable_data_ptr<float>() + i * dim);
    }
    return x;
  }

  // The nearest code of each residual row; of equals the lowest.
  void quantize(const at::Tensor& residual, const ids::Codebook& level, int32_t* codes) const {
    const at::Tensor book = at::from_blob(const_cast<float*>(level.values.data()),
                                          {level.num_codes, latent_}, at::kFloat);
    const at::Tensor scores = (residual.mm(book.t()) * 2 - book.square().sum(1)).contiguous();
    const auto* score = scores.const_data_ptr<float>();
    for (int64_t i = 0; i < kShard; ++i, score += level.num_codes) {
      codes[i] = static_cast<int32_t>(std::max_element(score, score + level.num_codes) - score);
    }
  }

  Shard compute(const at::Tensor& x) {
    for (const auto& weight : model_.weights()) weight.value.mutable_grad() = at::Tensor();
    Shard shard;
    const at::Tensor z = model_.encode(x);
    at::Tensor sum = at::zeros({kShard, latent_}, at::kFloat), apart = at::zeros({}, at::kFloat);
    if (has_codes()) {
      shard.codes.resize(num_levels() * kShard);
      for (int64_t l = 0; l < num_levels(); ++l) {
        const ids::Codebook& level = model_.codebooks.levels[l];
        int32_t* codes = &shard.codes[l * kShard];
        const at::Tensor residual = (z.detach() - sum).contiguous();
        quantize(residual, level, codes);
        const auto* values = residual.const_data_ptr<float>();
        shard.residuals.insert(shard.residuals.end(), values, values + kShard * latent_);
        sum = sum.clone();
        for (int64_t i = 0; i < kShard; ++i) {
          float* row = sum.mutable_data_ptr<float>() + i * latent_;
          for (int64_t j = 0; j < latent_; ++j) row[j] += level.values[codes[i] * latent_ + j];
        }
        apart = apart + (z - sum).square().sum();
      }
    }
    // Straight through: the decoder sees codes, the encoder gets their gradient.
    const at::Tensor seen = has_codes() ? z + (sum - z.detach()) : z;
    const at::Tensor wrong = (model_.decode(seen) - x).square().sum();
    const at::Tensor loss = (wrong + options_.commitment * apart) / static_cast<double>(kShard);
    loss.backward();
    shard.reconstruction = wrong.item<double>();
    shard.commitment = apart.item<double>();
    for (const auto& weight : model_.weights()) {
      const at::Tensor gradient = weight.value.grad().contiguous();
      const auto* values = gradient.const_data_ptr<float>();
      shard.gradient.insert(shard.gradient.end(), values, values + gradient.numel());
    }
    return shard;
  }

  RqVaeStep make_step(int64_t step) {
    std::vector<Shard> shards;
    for (int64_t s = comm_.rank(); s < num_shards_; s += comm_.size()) {
      shards.push_back(compute(rows_of(step, s)));
    }
    // The largest magnitudes choose the scales of the fixed-point sums.
    double largest[] = {0, 0, 0};  // of gradients, residuals, losses
    for (const Shard& shard : shards) {
      for (const float g : shard.gradient) {
        largest[0] = std::max(largest[0], static_cast<double>(std::abs(g)));
      }
      for (const float r : shard.residuals) {
        largest[1] = std::max(largest[1], static_cast<double>(std::abs(r)));
      }
      largest[2] = std::max({largest[2], shard.reconstruction, shard.commitment});
    }
    comm_.all_reduce(largest, 3, DType::kFloat64, ReduceOp::kMax);
    if (!std::isfinite(largest[0]) || !std::isfinite(largest[2])) {
      throw DataError({"", "", fmt_step(step) + " gives no finite gradient", "finite ones",
                       "lower --learning-rate"});
    }
    const double gradient_scale = ids::fixed_point_scale(num_shards_, largest[0]),
                 row_scale = ids::fixed_point_scale(num_shards_ * kShard, largest[1]),
                 loss_scale = ids::fixed_point_scale(num_shards_, largest[2]);
    // Gradients, two losses, then each code's rows and their sum.
    std::vector<int64_t> sums(num_weights_ + 2 + (has_codes() ? num_codes_ * (1 + latent_) : 0));
    for (const Shard& shard : shards) {
      for (int64_t i = 0; i < num_weights_; ++i) {
        sums[i] += ids::to_fixed_point(shard.gradient[i], gradient_scale);
      }
      sums[num_weights_] += ids::to_fixed_point(shard.reconstruction, loss_scale);
      sums[num_weights_ + 1] += ids::to_fixed_point(shard.commitment, loss_scale);
      add_codes(shard, row_scale, sums.data() + num_weights_ + 2);
    }
    comm_.all_reduce_sum(std::span<int64_t>(sums));

    move_weights(step, sums.data(), gradient_scale);
    const auto rows = static_cast<double>(num_shards_ * kShard);
    RqVaeStep result;
    result.reconstruction = static_cast<double>(sums[num_weights_]) / loss_scale / rows;
    result.commitment = static_cast<double>(sums[num_weights_ + 1]) / loss_scale / rows;
    if (has_codes()) {
      move_codebooks(sums.data() + num_weights_ + 2, row_scale);
      if ((step + 1) % kStepsBetweenResets == 0)
        result.codes_reset = reset_dead_codes(shards, step);
    }
    return result;
  }

  static std::string fmt_step(int64_t step) { return "step " + std::to_string(step); }

  void add_codes(const Shard& shard, double scale, int64_t* sums) const {
    if (shard.codes.empty()) return;
    int64_t first = 0;
    for (int64_t l = 0; l < num_levels(); ++l) {
      for (int64_t i = 0; i < kShard; ++i) {
        int64_t* of_code = sums + (first + shard.codes[l * kShard + i]) * (1 + latent_);
        const float* row = &shard.residuals[(l * kShard + i) * latent_];
        ++of_code[0];
        for (int64_t j = 0; j < latent_; ++j) {
          of_code[1 + j] += ids::to_fixed_point(row[j], scale);
        }
      }
      first += options_.num_codes[l];
    }
  }

  void move_weights(int64_t step, const int64_t* sums, double scale) {
    const double done = static_cast<double>(step) / static_cast<double>(options_.steps);
    const double rate =
        options_.learning_rate * (0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * done)));
    const auto count = static_cast<double>(step + 1);
    const double correct1 = 1 - std::pow(kBeta1, count), correct2 = 1 - std::pow(kBeta2, count);
    int64_t at = 0;
    for (const auto& weight : model_.weights()) {
      auto* values = weight.value.data_ptr<float>();
      for (int64_t i = 0; i < weight.value.numel(); ++i, ++at) {
        const double g = static_cast<double>(sums[at]) / scale / static_cast<double>(num_shards_);
        moment1_[at] = kBeta1 * moment1_[at] + (1 - kBeta1) * g;
        moment2_[at] = kBeta2 * moment2_[at] + (1 - kBeta2) * g * g;
        values[i] -= static_cast<float>(rate * (moment1_[at] / correct1) /
                                        (std::sqrt(moment2_[at] / correct2) + kEpsilon));
      }
    }
  }

  // Codes become moving means of their rows.
  void move_codebooks(const int64_t* sums, double scale) {
    int64_t code = 0;
    for (auto& level : model_.codebooks.levels) {
      for (int64_t k = 0; k < level.num_codes; ++k, ++code) {
        const int64_t* of_code = sums + code * (1 + latent_);
        double* mean = &moving_sums_[code * latent_];
        moving_counts_[code] = options_.ema * moving_counts_[code] +
                               (1 - options_.ema) * static_cast<double>(of_code[0]);
        for (int64_t j = 0; j < latent_; ++j) {
          mean[j] = options_.ema * mean[j] +
                    (1 - options_.ema) * (static_cast<double>(of_code[1 + j]) / scale);
        }
        if (!(moving_counts_[code] > 1e-6)) continue;
        for (int64_t j = 0; j < latent_; ++j) {
          level.values[k * latent_ + j] = static_cast<float>(mean[j] / moving_counts_[code]);
        }
      }
    }
  }

  // Codes that hardly any row takes are put on rows of this batch, drawn by the seed.
  int64_t reset_dead_codes(const std::vector<Shard>& shards, int64_t step) {
    std::vector<int64_t> dead;  // over all levels
    for (int64_t code = 0; code < num_codes_; ++code) {
      if (moving_counts_[code] < options_.dead_rows) dead.push_back(code);
    }
    if (dead.empty()) return 0;
    // The bits of the rows: whoever has one gives it, the others zeros.
    std::vector<int64_t> bits(std::ssize(dead) * latent_);
    const auto batch = static_cast<uint64_t>(num_shards_ * kShard);
    for (int64_t d = 0; d < std::ssize(dead); ++d) {
      const auto row =
          static_cast<int64_t>(random_u64(options_.seed, Purpose::kKMeansSeed,
                                          (uint64_t{2} << 32) + step * num_codes_ + dead[d]) %
                               batch);
      const int64_t shard = row / kShard;
      if (shard % comm_.size() != comm_.rank()) continue;
      const float* values = &shards[shard / comm_.size()]
                                 .residuals[(level_of(dead[d]) * kShard + row % kShard) * latent_];
      for (int64_t j = 0; j < latent_; ++j) {
        bits[d * latent_ + j] = std::bit_cast<int32_t>(values[j]);
      }
    }
    comm_.all_reduce_sum(std::span<int64_t>(bits));
    for (int64_t d = 0; d < std::ssize(dead); ++d) {
      const int64_t code = dead[d], l = level_of(code);
      ids::Codebook& level = model_.codebooks.levels[l];
      moving_counts_[code] = 1;
      for (int64_t j = 0; j < latent_; ++j) {
        const auto value = std::bit_cast<float>(static_cast<int32_t>(bits[d * latent_ + j]));
        moving_sums_[code * latent_ + j] = value;
        level.values[(code - first_code_of(l)) * latent_ + j] = value;
      }
    }
    return std::ssize(dead);
  }

  int64_t first_code_of(int64_t level) const {
    int64_t first = 0;
    for (int64_t l = 0; l < level; ++l) first += options_.num_codes[l];
    return first;
  }
  int64_t level_of(int64_t code) const {
    int64_t l = 0;
    while (code >= options_.num_codes[l]) code -= options_.num_codes[l++];
    return l;
  }

  // K-means over the latents of as many rows as it needs, the same ones at any world size.
  void start_codebooks() {
    const int64_t dim = options_.shape.dim;
    const int64_t most = *std::ranges::max_element(options_.num_codes);
    const int64_t sample = std::min(num_rows_, kRowsACodeAtStart * most);
    const Permutation order(num_rows_, options_.seed, Purpose::kRowSample);
    std::vector<float> drawn(sample * dim);
    for (int64_t i = 0; i < sample; ++i) {
      std::copy_n(rows_.data() + static_cast<int64_t>(order(i)) * dim, dim, &drawn[i * dim]);
    }
    const std::vector<float> latents = latents_of(model_, drawn);
    const auto own = owned_range(sample, ids::kRowBlock, comm_.rank(), comm_.size());
    ids::RowsInMemory source(
        {latents.data() + own.first * latent_, own.first, own.size(), sample, latent_});
    ids::ResidualQuantizerOptions kmeans;
    kmeans.num_codes = options_.num_codes;
    kmeans.norm = ids::NormHandling::kRaw;
    kmeans.beam = 1;
    kmeans.refit_rounds = 0;
    kmeans.seed = options_.seed;
    ids::Codebooks started = ids::train_residual_quantizer(source, kmeans, comm_, pool_);
    // Latents are not centred: the first level carries their mean.
    for (int64_t k = 0; k < started.levels[0].num_codes; ++k) {
      for (int64_t j = 0; j < latent_; ++j) {
        started.levels[0].values[k * latent_ + j] += started.mean[j];
      }
    }
    std::ranges::fill(started.mean, 0.0F);
    model_.codebooks = std::move(started);
    const auto batch = static_cast<double>(num_shards_ * kShard);
    for (const auto& level : model_.codebooks.levels) {
      const double count = batch / static_cast<double>(level.num_codes);
      for (const float value : level.values) moving_sums_.push_back(count * value);
      moving_counts_.insert(moving_counts_.end(), level.num_codes, count);
    }
  }

  const std::span<const float> rows_;
  const int64_t num_rows_;
  const RqVaeOptions& options_;
  Communicator& comm_;
  ThreadPool& pool_;
  RqVae model_;
  const int64_t latent_, num_shards_;
  int64_t num_weights_ = 0, num_codes_ = 0;
  std::vector<double> moment1_, moment2_;            // [num_weights], Adam's
  std::vector<double> moving_counts_, moving_sums_;  // [num_codes], [num_codes, latent]
};

}  // namespace

RqVae train_rq_vae(std::span<const float> rows, const RqVaeOptions& options, Communicator& comm,
                   ThreadPool& pool,
                   const std::function<void(int64_t, const RqVaeStep&)>& on_step) {
  return Training(rows, options, comm, pool).run(on_step);
}

}  // namespace tutti::trainer
