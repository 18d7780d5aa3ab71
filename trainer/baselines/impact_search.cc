#include "trainer/baselines/impact_search.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "dist/runtime/errors.h"
#include "ids/vectorize.h"

namespace tutti::trainer {
namespace {

constexpr int64_t kBlock = 1024;  // documents
constexpr int64_t kChunk = 64;    // documents that are compared at once
constexpr int64_t kTops = 128;    // largest impacts that are kept of a word
// A word of at least so many documents a block, on average, is wide; one of more than half of the
// documents has a dense row, which is shorter than its list.
constexpr int64_t kWide = 8;
constexpr int64_t kLookUp = 8;      // candidates of a block whose other words are looked up
constexpr float kTouched = 1e-30F;  // a document without any word has a sum of 0
// Sums are taken in another order than the final ones: bounds leave room for rounding.
constexpr float kSlack = 1e-5F;

TUTTI_VECTORIZED void add_row(const float* row, float* sums, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sums[i] += row[i];
}

// Whether any of kChunk sums reaches the bound.
TUTTI_VECTORIZED bool reaches(const float* sums, float bound) {
  int any = 0;
  for (int64_t i = 0; i < kChunk; ++i) any |= static_cast<int>(sums[i] >= bound);
  return any != 0;
}

// The k best so far.
class Best {
 public:
  // `least`: a score that k documents are known to reach.
  Best(int k, float least, std::span<const int32_t> place_of)
      : k_(static_cast<size_t>(k)), least_(least), place_of_(place_of) {
    heap_.reserve(k_ + 1);
  }
  void offer(const Recommendation& candidate) {
    const auto is_better = [this](const auto& a, const auto& b) { return better(a, b); };
    if (is_full() && !better(candidate, heap_.front())) return;
    heap_.push_back(candidate);
    std::push_heap(heap_.begin(), heap_.end(), is_better);
    if (heap_.size() <= k_) return;
    std::pop_heap(heap_.begin(), heap_.end(), is_better);
    heap_.pop_back();
  }
  // A document below it is not among the k best.
  float bound() const {
    return (is_full() ? std::max(least_, heap_.front().score) : least_) * (1 - kSlack);
  }
  std::vector<Recommendation> sorted() {
    std::sort_heap(heap_.begin(), heap_.end(),
                   [this](const auto& a, const auto& b) { return better(a, b); });
    return std::move(heap_);
  }

 private:
  bool is_full() const { return heap_.size() == k_; }
  bool better(const Recommendation& a, const Recommendation& b) const {
    return a.score != b.score ? a.score > b.score : place_of_[a.track] < place_of_[b.track];
  }

  size_t k_;
  float least_;
  std::span<const int32_t> place_of_;
  std::vector<Recommendation> heap_;  // the worst in front
};

}  // namespace

// A word of the query.
struct ImpactSearch::Term {
  float most = 0;  // its largest impact
  const WideWord* wide = nullptr;
  int64_t begin = 0, next = 0, end = 0;  // its entries; those before `next` are gone through

  // Of a word that is not wide: its entries up to there are gone through.
  void pass(int64_t end_document, const int32_t* documents) {
    while (wide == nullptr && next < end && documents[next] < end_document) ++next;
  }
  float most_in(int64_t block, int64_t end_document, const int32_t* documents) const {
    if (wide != nullptr) return wide->most[block];
    return next < end && documents[next] < end_document ? most : 0;
  }
};

ImpactSearch::ImpactSearch(ImpactLists lists, int64_t num_documents)
    : lists_(std::move(lists)), num_documents_(num_documents), sums_(kBlock, 0.0F) {
  const auto num_words = std::ssize(lists_.offsets) - 1;
  const int64_t num_blocks = (num_documents + kBlock - 1) / kBlock;
  wide_row_.assign(num_words, -1);
  std::vector<float> sorted;
  for (int64_t w = 0; w < num_words; ++w) {
    const int64_t first = lists_.offsets[w], last = lists_.offsets[w + 1];
    sorted.assign(lists_.impacts.begin() + first, lists_.impacts.begin() + last);
    const int64_t kept = std::min(kTops, last - first);
    std::partial_sort(sorted.begin(), sorted.begin() + kept, sorted.end(), std::greater<>());
    tops_.insert(tops_.end(), sorted.begin(), sorted.begin() + kept);
    top_offsets_.push_back(std::ssize(tops_));
    if (last - first < num_blocks * kWide) continue;

    wide_row_[w] = static_cast<int32_t>(wide_.size());
    WideWord& wide = wide_.emplace_back();
    wide.first.assign(num_blocks + 1, last - first);
    wide.most.assign(num_blocks, 0);
    for (int64_t i = last - 1; i >= first; --i) {
      const int64_t block = lists_.documents[i] / kBlock;
      wide.first[block] = i - first;
      wide.most[block] = std::max(wide.most[block], lists_.impacts[i]);
    }
    for (int64_t b = num_blocks - 1; b >= 0; --b) {
      if (wide.most[b] == 0) wide.first[b] = wide.first[b + 1];  // no entry
    }
    if (2 * (last - first) <= num_documents) continue;
    wide.dense.assign(num_documents, 0);
    for (int64_t i = first; i < last; ++i) wide.dense[lists_.documents[i]] = lists_.impacts[i];
  }
}

ImpactSearch::Term ImpactSearch::term_of(int32_t word) const {
  Term term{
      .begin = lists_.offsets[word], .next = lists_.offsets[word], .end = lists_.offsets[word + 1]};
  if (term.begin < term.end) term.most = tops_[top_offsets_[word]];
  if (wide_row_[word] >= 0) term.wide = &wide_[wide_row_[word]];
  return term;
}

float ImpactSearch::impact_of(int32_t word, int32_t document) const {
  int64_t first = lists_.offsets[word], last = lists_.offsets[word + 1];
  if (wide_row_[word] >= 0) {
    const WideWord& wide = wide_[wide_row_[word]];
    if (!wide.dense.empty()) return wide.dense[document];
    const int64_t block = document / kBlock;
    last = first + wide.first[block + 1];
    first += wide.first[block];
  }
  const auto* documents = lists_.documents.data();
  const auto* found = std::lower_bound(documents + first, documents + last, document);
  return found != documents + last && *found == document ? lists_.impacts[found - documents] : 0;
}

float ImpactSearch::sum_of(std::span<const int32_t> words, int32_t document) const {
  float sum = 0;
  for (const int32_t word : words) sum += impact_of(word, document);
  return sum;
}

float ImpactSearch::least_of(std::span<const int32_t> words, int k) const {
  float least = 0;
  for (const int32_t word : words) {
    const int64_t first = top_offsets_[word];
    if (top_offsets_[word + 1] - first >= k) least = std::max(least, tops_[first + k - 1]);
  }
  return least;
}

void ImpactSearch::add(Term& term, int64_t block) {
  const int64_t begin = block * kBlock, size = std::min(kBlock, num_documents_ - begin);
  const int32_t* documents = lists_.documents.data();
  const float* impacts = lists_.impacts.data();
  if (term.wide != nullptr && !term.wide->dense.empty()) {
    add_row(term.wide->dense.data() + begin, sums_.data(), size);
    return;
  }
  if (term.wide != nullptr) {
    const int64_t last = term.begin + term.wide->first[block + 1];
    for (int64_t i = term.begin + term.wide->first[block]; i < last; ++i) {
      sums_[documents[i] - begin] += impacts[i];
    }
    return;
  }
  for (; term.next < term.end && documents[term.next] < begin + size; ++term.next) {
    sums_[documents[term.next] - begin] += impacts[term.next];
  }
}

void ImpactSearch::find(float bound, int64_t size) {
  bound = std::max(bound, kTouched);
  candidates_.clear();
  for (int64_t chunk = 0; chunk < size; chunk += kChunk) {
    if (!reaches(sums_.data() + chunk, bound)) continue;
    for (int64_t i = chunk; i < std::min(chunk + kChunk, size); ++i) {
      if (sums_[i] >= bound) candidates_.push_back(static_cast<int32_t>(i));
    }
  }
}

std::vector<Recommendation> ImpactSearch::top(std::span<const int32_t> words, int k,
                                              std::span<const int32_t> place_of) {
  TUTTI_CHECK(k > 0 && std::ssize(place_of) == num_documents_);
  Best best(k, least_of(words, k), place_of);
  std::vector<Term> terms;
  for (const int32_t word : words) terms.push_back(term_of(word));
  std::stable_sort(terms.begin(), terms.end(),
                   [](const Term& a, const Term& b) { return a.most > b.most; });
  std::vector<float> rest(terms.size() + 1, 0);  // what terms from here on add at most
  for (size_t i = terms.size(); i > 0; --i) rest[i - 1] = rest[i] + terms[i - 1].most;

  const int32_t* documents = lists_.documents.data();
  size_t essential = terms.size();  // of the terms, these have to be gone through
  for (int64_t block = 0; block * kBlock < num_documents_; ++block) {
    while (essential > 0 && rest[essential - 1] < best.bound()) --essential;
    if (essential == 0) break;
    const int64_t begin = block * kBlock, size = std::min(kBlock, num_documents_ - begin);
    const int64_t end = begin + size;
    float most = 0, others = 0,
          rare_others = 0;  // in this block: what has to be gone through, the rest
    for (size_t i = 0; i < terms.size(); ++i) {
      const Term& term = terms[i];
      (i < essential ? most : others) +=
          i < essential || term.wide != nullptr ? term.most_in(block, end, documents) : term.most;
      if (i >= essential && term.wide == nullptr) rare_others += term.most;
    }
    if (most == 0 || most + others < best.bound()) {
      for (size_t i = 0; i < essential; ++i) terms[i].pass(end, documents);
      continue;
    }
    for (size_t i = 0; i < essential; ++i) add(terms[i], block);
    find(best.bound() - others, size);
    if (std::ssize(candidates_) > kLookUp) {  // adding the other words is less work than looking up
      for (size_t i = essential; i < terms.size(); ++i) {
        if (terms[i].wide != nullptr) add(terms[i], block);
      }
      find(best.bound() - rare_others, size);
    }
    for (const int32_t i : candidates_) {
      if (sums_[i] < best.bound() - others) continue;
      const auto document = static_cast<int32_t>(begin + i);
      best.offer({document, sum_of(words, document)});
    }
    std::fill_n(sums_.data(), size, 0.0F);
  }
  return best.sorted();
}

}  // namespace tutti::trainer
