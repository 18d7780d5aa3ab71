#include "trainer/baselines/bi_encoder_trainer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "data/normalizer.h"
#include "data/requests.h"
#include "data/sampler.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "trainer/adamw_kernel.h"
#include "trainer/baselines/exact_search.h"
#include "trainer/evaluate/playlist_blocks.h"
#include "trainer/schedule.h"

namespace tutti::trainer {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

// A hard negative scores at most this share of the positive's score: nearer ones are mostly right
// answers that nobody wrote down (NV-Retriever, arXiv 2407.15831). Looked for among so many.
constexpr float kShareOfPositive = 0.95F;
constexpr int kMined = 100;

at::Tensor unit(const at::Tensor& x) {
  return x / x.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

// The texts of a step, each once.
class Texts {
 public:
  int64_t add(const std::string& text) {
    const auto [entry, is_new] = rows_.try_emplace(text, std::ssize(texts_));
    if (is_new) texts_.push_back(text);
    return entry->second;
  }
  const std::vector<std::string>& all() const { return texts_; }

 private:
  std::map<std::string, int64_t> rows_;
  std::vector<std::string> texts_;
};

// The rows of all ranks, one rank's behind the other's.
at::Tensor gathered(const at::Tensor& mine, Communicator& comm) {
  const at::Tensor values = mine.detach().contiguous();
  const std::vector<float> all = comm.all_gather(
      std::span(values.const_data_ptr<float>(), static_cast<size_t>(values.numel())));
  return at::tensor(all, at::kFloat).reshape({-1, mine.size(1)});
}

}  // namespace

ContrastiveLoss contrastive_loss(const at::Tensor& anchors, const at::Tensor& candidates,
                                 const std::vector<int64_t>& target,
                                 const std::vector<bool>& masked, double scale, int64_t num_pairs) {
  const int64_t num_anchors = anchors.size(0), num_candidates = candidates.size(0);
  const at::Tensor hidden = at::zeros({num_anchors, num_candidates}, at::kFloat);
  const at::Tensor wanted = at::zeros({num_anchors, num_candidates}, at::kFloat);
  for (int64_t i = 0; i < num_anchors; ++i) {
    wanted.mutable_data_ptr<float>()[i * num_candidates + target[i]] = 1;
    for (int64_t j = 0; j < num_candidates; ++j) {
      if (masked[i * num_candidates + j]) {
        hidden.mutable_data_ptr<float>()[i * num_candidates + j] = -1e9F;
      }
    }
  }
  const at::Tensor logs = at::log_softmax(anchors.matmul(candidates.t()) * scale + hidden, 1);
  const auto pairs = static_cast<double>(num_pairs);
  const at::Tensor grad = (logs.exp() - wanted) * (scale / pairs);
  return {.loss = -(logs * wanted).sum().item<double>() / pairs,
          .anchor_grad = grad.matmul(candidates),
          .candidate_grad = grad.t().matmul(anchors)};
}

TitledPlaylists titled_playlists(const data::Dataset& dataset) {
  std::vector<int32_t> row_of(dataset.titles().normalized.size(), -1);  // of the title index
  int32_t rows = 0;
  for (size_t t = 0; t < row_of.size(); ++t) {
    if (dataset.titles().train_playlists_of[t] > 0) row_of[t] = rows++;
  }
  TitledPlaylists playlists;
  blocks_of(dataset)([&](const data::PlaylistBlock& block) {
    for (int64_t i = 0; i < block.size(); ++i) {
      if (block.parts[i] != data::Part::kTrain || block.tracks_of(i).empty()) continue;
      playlists.title_of.push_back(row_of[dataset.titles().normalized_of[block.titles[i]]]);
      playlists.playlist_of.push_back(block.first + i);
    }
  });
  if (playlists.title_of.empty()) {
    throw DataError(
        Problem{dataset.path().string(), "", "no training playlist", "at least one", ""});
  }
  return playlists;
}

BiEncoderTrainer::BiEncoderTrainer(BiEncoder& encoder, const TitledPlaylists& playlists,
                                   const TrackDocuments& documents, const BiEncoderOptions& options,
                                   Communicator& comm)
    : encoder_(encoder),
      documents_(documents),
      options_(options),
      comm_(comm),
      playlists_(playlists) {
  moment1_ = at::zeros_like(encoder.store().flat_values());
  moment2_ = at::zeros_like(encoder.store().flat_values());
  if (options.hard_negatives == 0) return;
  std::vector<std::string> titles;
  for (int64_t t = 0; t < documents.index().num_titles(); ++t) {
    titles.push_back(documents.text_of(t));
  }
  start_titles_ = encoder.encode_all(titles, comm);
  start_tracks_ = unit(documents.vectors(encoder, comm));
}

std::vector<int32_t> BiEncoderTrainer::drawn_titles(int32_t track, int32_t without,
                                                    Rng& rng) const {
  std::vector<int32_t> drawn;
  if (!documents_.has_titles()) return drawn;
  const auto titles = documents_.titles_of(track);
  int64_t total = 0;
  for (const auto& t : titles) total += t.title == without ? 0 : t.playlists;
  for (int64_t i = 0; total > 0 && i < options_.titles_per_document; ++i) {
    auto at = static_cast<int64_t>(rng.below(static_cast<uint64_t>(total)));
    for (const auto& t : titles) {
      if (t.title == without) continue;
      at -= t.playlists;
      if (at >= 0) continue;
      drawn.push_back(t.title);
      break;
    }
  }
  return drawn;
}

bool BiEncoderTrainer::draw_track(Pair& pair, Rng& rng) const {
  constexpr int kAttempts = 8;
  const auto votes = documents_.index().votes_of(pair.title);
  int64_t total = 0;
  for (const auto& vote : votes) total += vote.playlists;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto at = static_cast<int64_t>(rng.below(static_cast<uint64_t>(total)));
    for (const auto& vote : votes) {
      at -= vote.playlists;
      if (at >= 0) continue;
      pair.track = vote.track;
      break;
    }
    pair.document = documents_.document_of(pair.track, drawn_titles(pair.track, pair.title, rng));
    if (!pair.document.empty()) return true;
  }
  return false;
}

std::vector<BiEncoderTrainer::Pair> BiEncoderTrainer::pairs_of(int64_t step) const {
  const int64_t num_playlists = std::ssize(playlists_.title_of);
  const std::vector<int64_t> items =
      data::items_of_step(step, options_.batch, num_playlists, num_playlists, options_.seed);
  std::vector<Pair> pairs;
  std::set<int32_t> titles;
  for (size_t i = 0; i < items.size(); ++i) {
    Pair pair{.title = playlists_.title_of[items[i]], .track = 0, .anchor = {}, .document = {}};
    if (!titles.insert(pair.title).second) continue;
    Rng rng(options_.seed, Purpose::kPair, static_cast<uint64_t>(step * options_.batch) + i);
    if (!draw_track(pair, rng)) continue;
    const int64_t request = data::request_of(options_.seed, playlists_.playlist_of[items[i]],
                                             options_.request_share, std::ssize(options_.requests));
    const std::string& title = documents_.text_of(pair.title);
    pair.anchor = request < 0
                      ? title
                      : data::normalize_title(data::as_request(options_.requests[request], title));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::vector<BiEncoderTrainer::Candidate> BiEncoderTrainer::hard_negatives(
    std::span<const Pair> pairs, int64_t step) const {
  std::vector<Candidate> found;
  if (options_.hard_negatives == 0 || pairs.empty()) return found;
  const int64_t width = encoder_.width();
  const at::Tensor queries = at::empty({std::ssize(pairs), width}, at::kFloat);
  for (size_t i = 0; i < pairs.size(); ++i) {
    queries[static_cast<int64_t>(i)].copy_(start_titles_[pairs[i].title]);
  }
  const auto near = nearest_rows(queries, start_tracks_, kMined);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto positive =
        (queries[static_cast<int64_t>(i)] * start_tracks_[pairs[i].track]).sum().item<float>();
    // By the pair, so that it draws the same whichever rank it is on.
    Rng rng(options_.seed, Purpose::kPair,
            (uint64_t{1} << 62) + static_cast<uint64_t>(step) * documents_.index().num_titles() +
                static_cast<uint64_t>(pairs[i].title));
    int64_t taken = 0;
    for (const Recommendation& r : near[i]) {
      if (taken == options_.hard_negatives) break;
      if (r.score > kShareOfPositive * positive || documents_.is_known(pairs[i].title, r.track)) {
        continue;
      }
      auto document = documents_.document_of(r.track, drawn_titles(r.track, pairs[i].title, rng));
      if (document.empty()) continue;
      found.push_back({r.track, std::move(document)});
      ++taken;
    }
  }
  return found;
}

double BiEncoderTrainer::gradients(int64_t step) {
  const std::vector<Pair> all = pairs_of(step);
  if (all.empty()) {
    throw DataError(Problem{"", "step " + std::to_string(step + 1),
                            "no pair: the tracks drawn are in playlists of a single title",
                            "tracks that playlists of several titles hold",
                            "use --documents metadata or both where the catalogue has names"});
  }
  const Range own = owned_range(std::ssize(all), 1, comm_.rank(), comm_.size());
  const auto mine = std::span(all).subspan(own.first, own.size());
  encoder_.store().zero_gradients();

  // This rank's texts, each once: anchors, and the parts of its candidates.
  std::vector<Candidate> candidates;
  for (const Pair& pair : mine) candidates.push_back({pair.track, pair.document});
  for (Candidate& negative : hard_negatives(mine, step)) candidates.push_back(std::move(negative));
  Texts texts;
  std::vector<int64_t> anchor_rows;
  for (const Pair& pair : mine) anchor_rows.push_back(texts.add(pair.anchor));
  std::vector<TrackDocuments::Document> documents;
  std::vector<int32_t> tracks;
  for (Candidate& candidate : candidates) {
    for (auto& part : candidate.document) part.text = texts.add(documents_.text_of(part.text));
    documents.push_back(std::move(candidate.document));
    tracks.push_back(candidate.track);
  }
  at::Tensor anchors = at::zeros({0, encoder_.width()}), own_candidates = anchors;
  if (!mine.empty()) {
    const at::Tensor vectors = encoder_.encode(texts.all());
    anchors = vectors.index_select(0, at::tensor(anchor_rows, at::kLong));
    own_candidates = unit(TrackDocuments::sums(documents, vectors));
  }

  // All ranks' candidates, without their graphs: the loss gives the gradient of each, of which
  // every rank takes what all ranks' anchors want of its own.
  const std::vector<int32_t> all_tracks = comm_.all_gather(std::span<const int32_t>(tracks));
  std::vector<int64_t> firsts(comm_.size() + 1, 0);
  const int64_t count = std::ssize(tracks);
  const std::vector<int64_t> counts = comm_.all_gather(std::span(&count, 1));
  for (int r = 0; r < comm_.size(); ++r) firsts[r + 1] = firsts[r] + counts[r];
  const at::Tensor all_candidates = gathered(own_candidates, comm_);
  const int64_t first = firsts[comm_.rank()], num_candidates = std::ssize(all_tracks);
  std::vector<int64_t> target;
  std::vector<bool> masked;
  for (int64_t i = 0; i < std::ssize(mine); ++i) {
    target.push_back(first + i);
    for (int64_t j = 0; j < num_candidates; ++j) {
      masked.push_back(j != first + i && documents_.is_known(mine[i].title, all_tracks[j]));
    }
  }
  const ContrastiveLoss loss = contrastive_loss(anchors.detach(), all_candidates, target, masked,
                                                options_.scale, std::ssize(all));
  const at::Tensor candidate_grad = loss.candidate_grad.contiguous();
  comm_.all_reduce_sum(std::span(candidate_grad.mutable_data_ptr<float>(),
                                 static_cast<size_t>(candidate_grad.numel())));
  if (!mine.empty()) {
    // Its gradient with respect to anchors and candidates is what the loss asked for.
    const at::Tensor through = (anchors * loss.anchor_grad).sum() +
                               (own_candidates * candidate_grad.narrow(0, first, count)).sum();
    through.backward();
  }
  const at::Tensor grads = encoder_.store().flat_grads();
  comm_.all_reduce_sum(
      std::span(grads.mutable_data_ptr<float>(), static_cast<size_t>(grads.numel())));
  return comm_.sum(loss.loss);
}

double BiEncoderTrainer::step(int64_t step) {
  const double loss = gradients(step);
  const at::Tensor values = encoder_.store().flat_values(), grads = encoder_.store().flat_grads();
  const int64_t num_decayed = encoder_.store().num_decay_elements();
  const double norm = std::sqrt(sum_of_squares(grads.const_data_ptr<float>(), grads.numel()));
  if (!std::isfinite(loss) || !std::isfinite(norm)) {
    throw NotFiniteError("step " + std::to_string(step + 1) +
                         ": loss or gradient is not finite; lower --learning-rate");
  }
  const LearningRate rate{.peak = options_.learning_rate,
                          .warmup_steps = options_.steps / 10,
                          .total_steps = options_.steps,
                          .schedule = Schedule::kLinear};
  const double divisor = std::max(1.0, norm / options_.clip_norm);
  const auto update = [&](int64_t begin, int64_t end, double decay) {
    const AdamWFactors factors(rate.at(step), kBeta1, kBeta2, kEpsilon, decay, divisor, step + 1);
    adamw_update(factors, values.mutable_data_ptr<float>() + begin,
                 grads.mutable_data_ptr<float>() + begin,
                 moment1_.mutable_data_ptr<float>() + begin,
                 moment2_.mutable_data_ptr<float>() + begin, nullptr, end - begin);
  };
  update(0, num_decayed, options_.weight_decay);
  update(num_decayed, values.numel(), 0);
  return loss;
}

}  // namespace tutti::trainer
