#include "trainer/baselines/bi_encoder_ranker.h"

#include <algorithm>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <fmt/core.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"
#include "trainer/baselines/exact_search.h"
#include "trainer/baselines/tune.h"

namespace tutti::trainer {

BiEncoderRanker::BiEncoderRanker(const EncodedCatalog& catalog, const PopularityRanker& popularity,
                                 double shrinkage, std::shared_ptr<Cache> cache)
    : catalog_(catalog), shrinkage_(shrinkage), cache_(std::move(cache)) {
  TUTTI_CHECK(std::ssize(popularity.counts()) == catalog.tracks.size(0), "of one catalog");
  for (const int32_t n : popularity.counts()) {
    const double playlists = std::max(n, 1);
    scale_.push_back(static_cast<float>(playlists / (playlists + shrinkage)));
  }
}

std::string BiEncoderRanker::name() const {
  return fmt::format("{} (shrinkage {:g})", catalog_.name, shrinkage_);
}

std::vector<std::vector<Recommendation>> BiEncoderRanker::rank(std::span<const std::string> titles,
                                                               int k) {
  const c10::NoGradGuard no_grad;
  std::vector<std::string> texts, unknown;
  for (const std::string& title : titles) {
    std::string text = data::normalize_title(title);  // as the titles in the documents
    if (!cache_->contains(text)) {
      cache_->emplace(text, std::vector<float>());
      unknown.push_back(text);
    }
    texts.push_back(std::move(text));
  }
  const int64_t width = catalog_.encoder.width();
  if (!unknown.empty()) {
    const at::Tensor vectors = catalog_.encoder.encode(unknown).contiguous();
    const auto* row = vectors.const_data_ptr<float>();
    for (const std::string& text : unknown) {
      (*cache_)[text].assign(row, row + width);
      row += width;
    }
  }
  const at::Tensor queries = at::empty({std::ssize(texts), width}, at::kFloat);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::copy_n((*cache_)[texts[i]].data(), width,
                queries.mutable_data_ptr<float>() + static_cast<int64_t>(i) * width);
  }
  return nearest_rows(queries, catalog_.tracks, k, scale_);
}

std::unique_ptr<BiEncoderRanker> tuned_bi_encoder(const EncodedCatalog& catalog,
                                                  const PopularityRanker& popularity,
                                                  const std::vector<QuerySet>& validation, int k,
                                                  Communicator& comm) {
  const auto cache = std::make_shared<BiEncoderRanker::Cache>();
  MostHits<double> best(5, validation, k, comm);
  for (const double shrinkage : {0.0, 2.0, 5.0, 20.0, 100.0, 500.0}) {
    BiEncoderRanker ranker(catalog, popularity, shrinkage, cache);
    best.consider(shrinkage, ranker);
  }
  return std::make_unique<BiEncoderRanker>(catalog, popularity, best.get(), cache);
}

}  // namespace tutti::trainer
