#include "trainer/text_space.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "data/synth/tag_words.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/together.h"
#include "ids/priors.h"
#include "trainer/baselines/track_documents.h"

namespace tutti::trainer {
namespace {

// sum[d] += weight * text[d]
void add_weighted(const float* text, double weight, std::vector<double>& sum) {
  for (size_t d = 0; d < sum.size(); ++d) sum[d] += weight * text[d];
}

// Rank 0's part: the texts' vectors [texts, width] become the tracks'.
void pool_tracks(const data::Dataset& dataset, const SpaceTexts& texts, const float* vectors,
                 TextSpace* space) {
  ids::Embeddings& tracks = space->embeddings;
  const int64_t dim = tracks.dim;
  tracks.num_rows = dataset.num_tracks();
  tracks.support = dataset.train_counts();
  tracks.values.assign(tracks.num_rows * dim, 0.0F);
  const TrackDocuments documents(dataset, DocumentKind::kTitles);
  std::vector<uint8_t> has_no_text(tracks.num_rows, 0);
  std::vector<double> sum(dim);
  for (int64_t t = 0; t < tracks.num_rows; ++t) {
    std::ranges::fill(sum, 0.0);
    double total = 0;
    for (const auto& [title, playlists] : documents.titles_of(static_cast<int32_t>(t))) {
      add_weighted(vectors + title * dim, playlists, sum);
      total += playlists;
    }
    if (total == 0 && texts.metadata_row[t] >= 0) {
      add_weighted(vectors + texts.metadata_row[t] * dim, 1, sum);
      total = 1;
      ++space->tracks_of_metadata;
    }
    if (total == 0) {
      has_no_text[t] = 1;
      ++space->tracks_of_means;
      continue;
    }
    for (int64_t d = 0; d < dim; ++d) {
      tracks.values[t * dim + d] = static_cast<float>(sum[d] / total);
    }
  }
  if (space->tracks_of_means > 0) {
    ids::shrink_to_priors(dataset.catalog(), tracks.support, /*strength=*/0, dim, tracks.values,
                          &has_no_text);
  }
}

}  // namespace

std::string metadata_text(const data::Catalog& catalog, int64_t track) {
  std::string text;
  for (const int32_t tag : catalog.tags_of(track)) {
    if (!text.empty()) text += ' ';
    text += data::plain_words_of_tag(catalog.tag_names[tag]);
  }
  const std::string names = names_of(catalog, track);
  if (!text.empty() && !names.empty()) text += ' ';
  return text + names;
}

SpaceTexts texts_of_space(const data::Dataset& dataset) {
  SpaceTexts result;
  const data::TitleTable& titles = dataset.titles();
  for (int64_t t = 0; t < titles.normalized.size(); ++t) {
    if (titles.train_playlists_of[t] > 0) result.texts.emplace_back(titles.normalized[t]);
  }
  result.num_titles = std::ssize(result.texts);
  const std::vector<int32_t> counts = dataset.train_counts();
  result.metadata_row.assign(counts.size(), -1);
  std::unordered_map<std::string, int32_t> row_of;  // looked up, never walked
  for (int64_t t = 0; t < std::ssize(counts); ++t) {
    if (counts[t] > 0) continue;
    std::string text = metadata_text(dataset.catalog(), t);
    if (text.empty()) continue;
    const auto [found, is_new] =
        row_of.try_emplace(text, static_cast<int32_t>(std::ssize(result.texts)));
    if (is_new) result.texts.push_back(std::move(text));
    result.metadata_row[t] = found->second;
  }
  return result;
}

TextSpace make_text_space(const data::Dataset& dataset, const BiEncoder& encoder,
                          Communicator& comm, const std::function<void(int64_t)>& progress) {
  const SpaceTexts texts = texts_of_space(dataset);
  if (texts.num_titles == 0) {
    throw DataError({dataset.path().string(), "", "no training playlist",
                     "training playlists with titles", "check it with `tutti inspect`"});
  }
  TextSpace space;
  space.embeddings.dim = encoder.width();
  space.num_titles = texts.num_titles;
  space.num_metadata_texts = std::ssize(texts.texts) - texts.num_titles;
  const auto start = std::chrono::steady_clock::now();
  const at::Tensor vectors = encoder.encode_all(texts.texts, comm, progress);
  space.encode_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run_together(comm, [&] {
    if (comm.is_root()) pool_tracks(dataset, texts, vectors.const_data_ptr<float>(), &space);
  });
  return space;
}

std::string fingerprint(const BiEncoder& encoder) {
  nlohmann::json facts;
  const std::string& tokenizer = encoder.tokenizer().bytes();
  facts["tokenizer"] = sha256_of_bytes(tokenizer.data(), std::ssize(tokenizer));
  for (const Parameter& p : encoder.store().all()) {
    const at::Tensor values = p.value.detach().contiguous();
    facts["values"][p.name] =
        sha256_of_bytes(values.const_data_ptr(), static_cast<int64_t>(values.nbytes()));
  }
  const std::string text = facts.dump();
  return sha256_of_bytes(text.data(), std::ssize(text));
}

}  // namespace tutti::trainer
