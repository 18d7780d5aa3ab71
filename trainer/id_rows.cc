#include "trainer/id_rows.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <vector>

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {

namespace {

double root_mean_square(const at::Tensor& t) {
  return t.square().mean(at::kDouble).sqrt().item<double>();
}

// The parameter that a kind of model has under one of these names.
const Parameter& one_of(IdModel& model, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const Parameter* found = model.find(name)) return *found;
  }
  fail_check("the model has one of the names", *names.begin());
}

}  // namespace

void scale_id_rows_to_base(IdModel& model) {
  const c10::NoGradGuard no_grad;
  const RowDeviation drawn = model.id_row_deviation();
  const at::Tensor rows = model.find("id_embedding.weight")->value;
  const at::Tensor text = one_of(model, {"shared.weight", "model.embed_tokens.weight"}).value;
  const Parameter& norm = one_of(model, {"decoder.final_layer_norm.weight", "model.norm.weight"});
  // Of a row of deviation 1, before T5 scales what a tied head reads by width^-1/2.
  const double logit = root_mean_square(norm.value) * std::sqrt(static_cast<double>(model.width()));
  Parameter* head = model.find("lm_head.id.weight");
  if (head == nullptr && model.find("model.norm.weight") != nullptr) {
    rows.div_(logit * drawn.read).add_(text.mean(0));
    return;
  }
  rows.mul_(root_mean_square(text) / drawn.read);
  if (head != nullptr) head->value.div_(logit * drawn.head);
}

int64_t unread_tokens(const ids::IdTable& table) {
  const ids::IdLevel& last = table.levels.back();
  const bool is_behind_the_others = table.levels.size() > 1 && last.first_token > 0 &&
                                    last.first_token + last.num_tokens == table.num_tokens();
  return is_behind_the_others ? last.num_tokens : 0;
}

void leave_out_unread_tokens(nlohmann::json& shape, const ids::IdTable& table) {
  shape.erase("unread_ids");
  if (const int64_t unread = unread_tokens(table); unread > 0) shape["unread_ids"] = unread;
}

void start_id_rows_from_codebooks(IdModel& model, const ids::IdTable& table, uint64_t seed) {
  const int64_t dim = table.vector_dim;
  if (dim == 0) return;
  const int64_t d_model = model.width();
  const at::Tensor read = model.find("id_embedding.weight")->value;
  auto* embedding = read.data_ptr<float>();
  Parameter* untied = model.find("lm_head.id.weight");
  auto* head = untied == nullptr ? nullptr : untied->value.data_ptr<float>();
  const RowDeviation drawn = model.id_row_deviation();
  const auto read_scale = static_cast<float>(drawn.read),
             head_scale = static_cast<float>(drawn.head);

  Rng rng(seed, Purpose::kIdTokens);
  std::vector<float> projection(dim * d_model);  // [dim, d_model]
  for (float& p : projection) p = static_cast<float>(rng.normal());

  for (const ids::IdLevel& level : table.levels) {
    // Unit variance over the level, about its mean: then a projected row has entries of variance 1,
    // as a random row has.
    std::vector<double> mean(dim, 0.0);
    double square = 0;
    const float* vectors =
        table.token_vectors.data() + static_cast<int64_t>(level.first_token) * dim;
    for (int64_t t = 0; t < level.num_tokens; ++t) {
      for (int64_t k = 0; k < dim; ++k) mean[k] += vectors[t * dim + k];
    }
    for (double& m : mean) m /= level.num_tokens;
    for (int64_t t = 0; t < level.num_tokens; ++t) {
      for (int64_t k = 0; k < dim; ++k) square += std::pow(vectors[t * dim + k] - mean[k], 2);
    }
    if (square == 0) continue;
    const double scale = std::sqrt(static_cast<double>(level.num_tokens) / square);
    std::vector<float> row(d_model);
    for (int64_t t = 0; t < level.num_tokens; ++t) {
      std::fill(row.begin(), row.end(), 0.0F);
      for (int64_t k = 0; k < dim; ++k) {
        const auto x = static_cast<float>(scale * (vectors[t * dim + k] - mean[k]));
        for (int64_t j = 0; j < d_model; ++j) row[j] += x * projection[k * d_model + j];
      }
      const int64_t token = level.first_token + t;
      for (int64_t j = 0; token < read.size(0) && j < d_model; ++j) {
        embedding[token * d_model + j] = read_scale * row[j];
      }
      if (head == nullptr) continue;
      for (int64_t j = 0; j < d_model; ++j) head[token * d_model + j] = head_scale * row[j];
    }
  }
}

}  // namespace tutti::trainer
