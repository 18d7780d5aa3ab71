#include "data/tokenizers/byte_pairs.h"

#include <queue>
#include <tuple>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

// Visible Latin-1 characters stand for themselves, the others for U+0100 and up in their order.
std::array<std::string, 256> make_spellings() {
  std::array<std::string, 256> spellings;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool is_visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
                            (byte >= 0xae && byte <= 0xff);
    const unsigned c = is_visible ? byte : next++;
    std::string& text = spellings[byte];
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else {
      text = {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
    }
  }
  return spellings;
}

std::string spelled(std::string_view word) {
  std::string text;
  for (const char c : word) text += byte_spelling(static_cast<unsigned char>(c));
  return text;
}

// A part of the word while it is merged: a list, since parts vanish.
struct Part {
  int32_t id;
  int32_t previous, next;  // -1 at the ends
};

// A merge that may be done, unless its parts have changed since.
struct Candidate {
  int32_t rank, left, merged, left_id, right_id;
  // The top of the queue: least rank, then leftmost.
  bool operator<(const Candidate& other) const {
    return std::tie(rank, left) > std::tie(other.rank, other.left);
  }
};

}  // namespace

const std::string& byte_spelling(unsigned char byte) {
  static const std::array<std::string, 256> kSpellings = make_spellings();
  return kSpellings[byte];
}

BytePairs::BytePairs(std::unordered_map<std::string, int32_t> vocabulary,
                     const std::vector<std::pair<std::string, std::string>>& merges,
                     const Options& options, const std::string& origin)
    : vocabulary_(std::move(vocabulary)), options_(options) {
  const auto find = [this](const std::string& spelling) {
    const auto found = vocabulary_.find(spelling);
    return found == vocabulary_.end() ? -1 : found->second;
  };
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const int32_t ids[] = {find(left), find(right), find(left + right)};
    for (const int32_t id : ids) {
      if (id >= 0) continue;
      throw DataError(Problem{.file = origin,
                              .place = fmt::format("merge {}", rank + 1),
                              .found = fmt::format("'{}' and '{}'", left, right),
                              .expected = "parts and result in the vocabulary",
                              .cure = {}});
    }
    // The last of equal ones counts, as in huggingface/tokenizers.
    merges_[key(ids[0], ids[1])] = {static_cast<int32_t>(rank), ids[2]};
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = find(byte_spelling(static_cast<unsigned char>(byte)));
  }
}

void BytePairs::encode(std::string_view word, std::vector<int32_t>& ids) const {
  if (options_.ignore_merges) {
    if (const auto whole = vocabulary_.find(spelled(word)); whole != vocabulary_.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  std::vector<Part> parts;
  parts.reserve(word.size());
  bool was_unknown = false;
  for (const char c : word) {
    const int32_t known = byte_ids_[static_cast<unsigned char>(c)];
    const int32_t id = known >= 0 ? known : options_.unknown;
    if (id < 0 || (known < 0 && was_unknown && options_.fuse_unknown)) continue;
    was_unknown = known < 0;
    const auto at = static_cast<int32_t>(parts.size());
    parts.push_back({id, at - 1, at + 1});
  }
  if (parts.empty()) return;
  parts.back().next = -1;

  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left) {
    const int32_t right = left < 0 ? -1 : parts[static_cast<size_t>(left)].next;
    if (right < 0) return;
    const int32_t left_id = parts[static_cast<size_t>(left)].id;
    const int32_t right_id = parts[static_cast<size_t>(right)].id;
    const auto merge = merges_.find(key(left_id, right_id));
    if (merge == merges_.end()) return;
    queue.push({merge->second.rank, left, merge->second.id, left_id, right_id});
  };
  for (size_t i = 0; i + 1 < parts.size(); ++i) consider(static_cast<int32_t>(i));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Part& left = parts[static_cast<size_t>(best.left)];
    if (left.id != best.left_id || left.next < 0) continue;
    Part& right = parts[static_cast<size_t>(left.next)];
    if (right.id != best.right_id) continue;
    right.id = -1;  // gone: no candidate names it any more
    left.id = best.merged;
    left.next = right.next;
    if (left.next >= 0) parts[static_cast<size_t>(left.next)].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (int32_t at = 0; at >= 0; at = parts[static_cast<size_t>(at)].next) {
    ids.push_back(parts[static_cast<size_t>(at)].id);
  }
}

}  // namespace tutti::data
