#include "trainer/decode/free_beams.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

struct Beam {
  std::vector<int32_t> tokens;
  int32_t row = 0;  // of the step that scored the last token
  float score = 0;
  bool is_whole = false;
};

// A beam with one token more, or a whole one that stays as it is (token -1).
struct Candidate {
  int32_t beam = 0, token = -1;
  float score = 0;
};

bool better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

void keep_best(std::vector<Candidate>& candidates, size_t count) {
  const size_t kept = std::min(count, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates.end(), better);
  candidates.resize(kept);
}

}  // namespace

std::vector<std::vector<FreeId>> free_beam_search(IdScorer& scorer, const ids::IdTable& table,
                                                  int64_t num_titles, const BeamOptions& options) {
  TUTTI_CHECK(options.beam > 0 && options.k > 0);
  const auto width = static_cast<size_t>(std::max(options.beam, options.k));
  const bool over_all = options.softmax == Softmax::kIds || options.softmax == Softmax::kFull;
  const Softmax over = over_all ? options.softmax : Softmax::kLevel;
  std::vector<std::vector<Beam>> titles(num_titles, std::vector<Beam>(1));
  std::vector<IdScorer::Row> rows;
  std::vector<Candidate> candidates, of_beam;
  for (int64_t position = 0; position < table.id_length(); ++position) {
    const ids::IdLevel level =
        over_all ? ids::IdLevel{0, table.num_tokens()} : table.levels[position];
    rows.clear();
    for (int64_t title = 0; title < num_titles; ++title) {
      for (Beam& beam : titles[title]) {
        if (beam.is_whole) continue;
        rows.push_back({.title = static_cast<int32_t>(title),
                        .parent = beam.row,
                        .token = beam.tokens.empty() ? -1 : beam.tokens.back()});
        beam.row = static_cast<int32_t>(rows.size()) - 1;
      }
    }
    if (rows.empty()) break;
    const std::span<const float> scores = scorer.step(rows, level, over);
    for (std::vector<Beam>& beams : titles) {
      candidates.clear();
      for (int32_t b = 0; b < std::ssize(beams); ++b) {
        const Beam& beam = beams[b];
        if (beam.is_whole) {
          candidates.push_back({.beam = b, .token = -1, .score = beam.score});
          continue;
        }
        of_beam.clear();
        const auto own = scores.subspan(int64_t{beam.row} * level.num_tokens, level.num_tokens);
        for (int32_t t = 0; t < level.num_tokens; ++t) {
          if (std::isnan(own[t])) {
            throw NotFiniteError("the model's score of an ID token is not a number");
          }
          of_beam.push_back({b, level.first_token + t, beam.score + own[t]});
        }
        keep_best(of_beam, width);
        candidates.insert(candidates.end(), of_beam.begin(), of_beam.end());
      }
      keep_best(candidates, width);
      std::vector<Beam> next;
      for (const Candidate& c : candidates) {
        Beam& beam = next.emplace_back(beams[c.beam]);
        beam.score = c.score;
        if (c.token < 0) continue;
        beam.tokens.push_back(c.token);
        beam.is_whole = table.is_text() && c.token == table.end_token();
      }
      beams = std::move(next);
    }
  }
  std::vector<std::vector<FreeId>> found(num_titles);
  for (int64_t title = 0; title < num_titles; ++title) {
    for (Beam& beam : titles[title]) {
      if (std::ssize(found[title]) == options.k) break;
      found[title].push_back({std::move(beam.tokens), beam.score});
    }
  }
  return found;
}

bool is_valid(std::span<const int32_t> tokens, const ids::Trie& trie) {
  int32_t at = 0;
  for (const int32_t token : tokens) {
    if (ids::Trie::is_leaf(at)) return false;
    at = trie.find(at, token);
    if (at == ids::Trie::kNone) return false;
  }
  return ids::Trie::is_leaf(at);
}

std::span<const float> CountingScorer::step(std::span<const Row> rows, const ids::IdLevel& level,
                                            Softmax over) {
  for (size_t i = 0; i < rows.size(); ++i) {  // titles ascend
    if (i == 0 || rows[i].title != rows[i - 1].title) ++steps_[rows[i].title];
  }
  return scorer_.step(rows, level, over);
}

}  // namespace tutti::trainer
