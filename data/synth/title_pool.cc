#include "data/synth/title_pool.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "data/normalizer.h"
#include "data/synth/streams.h"

namespace tutti::data {
namespace {

constexpr int64_t kMaxMeanings = 4;
constexpr int64_t kDrawsPerTitle = 20;  // a catalogue with few tags has fewer titles

int64_t times_composed(const TitlePool::Title& title) {
  return std::accumulate(title.counts.begin(), title.counts.end(), int64_t{0});
}

void add_meaning(const TitleMeaning& meaning, TitlePool::Title* title) {
  const auto found = std::find(title->meanings.begin(), title->meanings.end(), meaning);
  if (found != title->meanings.end()) {
    ++title->counts[found - title->meanings.begin()];
  } else if (std::ssize(title->meanings) < kMaxMeanings) {
    title->meanings.push_back(meaning);
    title->counts.push_back(1);
  }
}

}  // namespace

TitlePool::TitlePool(const ThemeSource& themes, const SynthOptions& options) {
  std::unordered_map<std::string, int64_t> row_of;  // by normalised title
  for (int64_t draw = 0; draw < kDrawsPerTitle * options.num_titles; ++draw) {
    Rng rng(options.seed, Purpose::kSynthCatalog, title_stream(draw));
    ComposedTitle composed = compose_title(themes, options, rng);
    std::sort(composed.meaning.tags.begin(), composed.meaning.tags.end());
    std::string key = normalize_title(composed.text);
    if (key.empty()) continue;  // a tag of punctuation only
    const auto [at, is_new] = row_of.try_emplace(std::move(key), std::ssize(titles_));
    if (is_new && std::ssize(titles_) == options.num_titles) break;
    if (is_new) titles_.push_back({std::move(composed.text), {}, {}});
    add_meaning(composed.meaning, &titles_[at->second]);
  }
  std::stable_sort(titles_.begin(), titles_.end(), [](const Title& a, const Title& b) {
    return times_composed(a) > times_composed(b);
  });
  const auto frequency = zipf_mandelbrot(size(), options.title_exponent, options.title_offset);
  for (int64_t row = 0; row < size(); ++row) {
    frequency_.add(static_cast<int32_t>(row), frequency[row]);
  }
}

const TitleMeaning& TitlePool::draw_meaning(int64_t row, Rng& rng) const {
  const Title& title = titles_[row];
  auto at = static_cast<int64_t>(rng.below(times_composed(title)));
  size_t i = 0;
  while (at >= title.counts[i]) at -= title.counts[i++];
  return title.meanings[i];
}

}  // namespace tutti::data
