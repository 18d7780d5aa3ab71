#include "trainer/training_data.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "data/requests.h"
#include "data/sampler.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {

TrainingData::TrainingData(const data::Dataset& dataset, const data::Tokenizer& tokenizer,
                           const ids::IdTable& table, const TrainingDataOptions& options)
    : dataset_(dataset),
      tokenizer_(tokenizer),
      titles_(dataset.titles()),
      trie_(ids::build_trie(table)),
      packer_(table, trie_, options.packing),
      options_(options),
      playlists_(dataset.playlists_in(data::Part::kTrain)),
      title_token_offsets_{0} {
  if (playlists_.empty()) {
    throw DataError(Problem{dataset.path().string(), "", "no training playlist", "at least one",
                            "import or synth playlists first"});
  }
  for (int64_t i = 0; i < titles_.raw.size(); ++i) {
    const std::vector<int32_t> tokens = tokenizer.encode(titles_.raw[i]);
    title_tokens_.insert(title_tokens_.end(), tokens.begin(), tokens.end());
    title_token_offsets_.push_back(std::ssize(title_tokens_));
  }
}

const TrainingData::Window& TrainingData::window_of(int64_t item) {
  const int64_t number = item / options_.window;
  const auto found = windows_.find(number);
  if (found != windows_.end()) return found->second;
  const int64_t last = std::min((number + 1) * options_.window, std::ssize(playlists_)) - 1;
  Window& window = windows_[number];
  window.block = dataset_.read(playlists_[number * options_.window], playlists_[last] + 1);
  window.num_nodes.resize(window.block.size());
  for (int64_t row = 0; row < window.block.size(); ++row) {
    const int64_t first = window.block.offsets[row];
    const auto tracks =
        std::span(window.block.tracks).subspan(first, window.block.offsets[row + 1] - first);
    packer_.sort_by_id(tracks);
    window.num_nodes[row] = packer_.count_nodes(tracks);
  }
  put_into_requests(window);
  return window;
}

void TrainingData::put_into_requests(Window& window) const {
  for (int64_t row = 0; row < window.block.size(); ++row) {
    const int64_t request = data::request_of(options_.seed, window.block.first + row,
                                             options_.request_share, std::ssize(options_.requests));
    window.request.push_back(request);
    if (request >= 0) {
      const std::vector<int32_t> tokens = tokenizer_.encode(
          data::as_request(options_.requests[request], titles_.raw[window.block.titles[row]]));
      window.request_tokens.insert(window.request_tokens.end(), tokens.begin(), tokens.end());
    }
    window.request_token_offsets.push_back(std::ssize(window.request_tokens));
  }
}

std::span<const int32_t> TrainingData::prompt_of(const Window& window, int64_t row) const {
  const bool is_request = window.request[row] >= 0;
  const auto& offsets = is_request ? window.request_token_offsets : title_token_offsets_;
  const int64_t at = is_request ? row : window.block.titles[row];
  return std::span(is_request ? window.request_tokens : title_tokens_)
      .subspan(offsets[at], offsets[at + 1] - offsets[at]);
}

void TrainingData::make_groups(int64_t step, Step& out) {
  const std::vector<int64_t> items = data::items_of_step(
      step, options_.titles_per_step, num_playlists(), options_.window, options_.seed);
  // Windows that this step does not touch are let go: steps walk through one window at a time.
  std::erase_if(windows_, [&](const auto& entry) {
    return std::none_of(items.begin(), items.end(),
                        [&](int64_t item) { return item / options_.window == entry.first; });
  });

  // Items of one group side by side, groups in the order of their first item.
  std::vector<int64_t> group_of(items.size());
  std::map<std::pair<int32_t, int64_t>, int64_t> group_of_prompt;  // normalised title, request
  int64_t num_groups = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (options_.grouping == Grouping::kTitle) {
      const Window& window = window_of(items[i]);
      const int64_t row = playlists_[items[i]] - window.block.first;
      const auto [entry, is_new] = group_of_prompt.try_emplace(
          {titles_.normalized_of[window.block.titles[row]], window.request[row]}, num_groups);
      group_of[i] = entry->second;
      num_groups += is_new ? 1 : 0;
    } else {
      group_of[i] = num_groups++;
    }
  }
  std::vector<std::vector<int64_t>> items_of(num_groups);
  for (size_t i = 0; i < items.size(); ++i) items_of[group_of[i]].push_back(items[i]);

  groups_.clear();
  num_merged_ = 0;
  if (std::ssize(merged_) < num_groups) merged_.resize(num_groups);
  for (const std::vector<int64_t>& members : items_of) {
    Group& group = groups_.emplace_back();
    const Window& window = window_of(members.front());
    const int64_t row = playlists_[members.front()] - window.block.first;
    group.titled = {.title_tokens = prompt_of(window, row),
                    .tracks = window.block.tracks_of(row),
                    .key = static_cast<uint64_t>(playlists_[members.front()])};
    group.num_nodes = window.num_nodes[row];
    int64_t num_pairs = 0;
    for (const int64_t item : members) {
      const Window& of_item = window_of(item);
      const int64_t size =
          std::ssize(of_item.block.tracks_of(playlists_[item] - of_item.block.first));
      num_pairs += size;
      out.weight += group_weight(size, options_.packing.weighting);
    }
    const bool is_capped = options_.group_cap > 0 && num_pairs > options_.group_cap;
    if (members.size() > 1 || is_capped) {
      merge(members, static_cast<uint64_t>(step * options_.titles_per_step + std::ssize(groups_)),
            group);
    }
    out.pairs += std::ssize(group.titled.tracks);
    out.nodes += group.num_nodes;
    out.title_tokens += std::ssize(group.titled.title_tokens);
  }
}

// The targets of several playlists in one, each with its own weight; more than the cap are thinned
// out by the random numbers of `draw`.
void TrainingData::merge(std::span<const int64_t> items, uint64_t draw, Group& group) {
  struct Target {
    int32_t track;
    float weight;
  };
  std::vector<Target> targets;
  for (const int64_t item : items) {
    const Window& window = window_of(item);
    const auto tracks = window.block.tracks_of(playlists_[item] - window.block.first);
    const auto weight =
        static_cast<float>(group_weight(std::ssize(tracks), options_.packing.weighting) /
                           static_cast<double>(tracks.size()));
    for (const int32_t track : tracks) targets.push_back({track, weight});
  }
  const int64_t cap = options_.group_cap;
  if (cap > 0 && std::ssize(targets) > cap) {
    Rng rng(options_.seed, Purpose::kGroupCap, draw);
    const float scale = static_cast<float>(targets.size()) / static_cast<float>(cap);
    for (int64_t i = 0; i < cap; ++i) {  // the head of a Fisher-Yates shuffle
      std::swap(targets[i], targets[i + static_cast<int64_t>(rng.below(targets.size() - i))]);
      targets[i].weight *= scale;
    }
    targets.resize(cap);
  }
  std::stable_sort(targets.begin(), targets.end(), [&](const Target& a, const Target& b) {
    return packer_.is_before(a.track, b.track);
  });
  Merged& merged = merged_[num_merged_++];
  merged.tracks.clear();
  merged.weights.clear();
  for (const Target& target : targets) {
    merged.tracks.push_back(target.track);
    merged.weights.push_back(target.weight);
  }
  group.titled.tracks = merged.tracks;
  group.titled.weights = merged.weights;
  group.num_nodes = packer_.count_nodes(merged.tracks);
}

// Picks this rank's groups and packs them.
void TrainingData::deal(int rank, int world_size, Step& out) {
  std::vector<int64_t> costs;
  for (const Group& group : groups_) {
    const auto title_tokens = static_cast<double>(group.titled.title_tokens.size());
    costs.push_back(std::llround(options_.node_cost * static_cast<double>(group.num_nodes) +
                                 options_.title_token_cost * title_tokens));
  }
  const std::vector<std::vector<int32_t>> hands = data::deal_by_cost(costs, world_size);
  int64_t most = 0;
  for (const auto& hand : hands) {
    int64_t load = 0;
    for (const int32_t i : hand) load += costs[i];
    most = std::max(most, load);
  }
  const int64_t total = std::accumulate(costs.begin(), costs.end(), int64_t{0});
  out.imbalance = static_cast<double>(most) * world_size / static_cast<double>(total) - 1;

  mine_.clear();
  for (const int32_t i : hands[rank]) mine_.push_back(groups_[i].titled);
  const int64_t num_titles = std::ssize(mine_);
  const int64_t micro_batch = options_.micro_batch > 0 ? options_.micro_batch : num_titles;
  out.num_micro_batches = num_titles == 0 ? 0 : (num_titles + micro_batch - 1) / micro_batch;
  if (out.num_micro_batches > 1) {
    std::stable_sort(mine_.begin(), mine_.end(), [](const TitleGroup& a, const TitleGroup& b) {
      return a.title_tokens.size() < b.title_tokens.size();
    });
  }
  if (std::ssize(out.buffers) < out.num_micro_batches) out.buffers.resize(out.num_micro_batches);
  for (int64_t m = 0; m < out.num_micro_batches; ++m) {  // sizes differ by at most one
    const int64_t first = m * num_titles / out.num_micro_batches;
    const int64_t last = (m + 1) * num_titles / out.num_micro_batches;
    packer_.pack(std::span(mine_).subspan(first, last - first), out.buffers[m]);
  }
}

void TrainingData::make_step(int64_t step, int rank, int world_size, Step& out) {
  out.index = step;
  out.epoch = static_cast<double>((step + 1) * options_.titles_per_step) /
              static_cast<double>(num_playlists());
  out.weight = 0;
  out.pairs = out.nodes = out.title_tokens = 0;
  make_groups(step, out);
  deal(rank, world_size, out);
}

std::string train_title_vocabulary(const data::Dataset& dataset,
                                   const data::TokenizerTraining& options,
                                   const std::vector<std::string>& requests) {
  const data::TitleTable& titles = dataset.titles();
  std::vector<int64_t> counts(titles.raw.size(), 0);
  constexpr int64_t kBlock = 100'000;
  for (int64_t first = 0; first < dataset.num_playlists(); first += kBlock) {
    const data::PlaylistBlock block =
        dataset.read(first, std::min(first + kBlock, dataset.num_playlists()));
    for (int64_t i = 0; i < block.size(); ++i) {
      if (block.parts[i] == data::Part::kTrain) ++counts[block.titles[i]];
    }
  }
  std::vector<std::string> sentences;
  std::vector<int64_t> sentence_counts;
  for (int64_t i = 0; i < titles.raw.size(); ++i) {
    if (counts[i] == 0) continue;
    sentences.emplace_back(titles.raw[i]);
    sentence_counts.push_back(counts[i]);
  }
  const int64_t num_titles =
      std::accumulate(sentence_counts.begin(), sentence_counts.end(), int64_t{0});
  for (const std::string& request : requests) {
    sentences.push_back(data::as_request(request, " "));
    sentence_counts.push_back(std::max<int64_t>(1, num_titles / std::ssize(requests)));
  }
  return data::train_sentencepiece(sentences, sentence_counts, options);
}

}  // namespace tutti::trainer
