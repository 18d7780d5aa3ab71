#include "ids/code_matching.h"

#include <limits>

#include "dist/runtime/errors.h"

namespace tutti::ids {

std::vector<int32_t> best_matching(std::span<const int64_t> gains, int64_t n) {
  TUTTI_CHECK(std::ssize(gains) == n * n);
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max() / 4;
  // Rows and columns count from 1; column 0 holds the row that looks for one. Costs are -gains less
  // the potentials of row and column, never below 0 for rows that are in.
  std::vector<int64_t> row_potential(n + 1), column_potential(n + 1), slack(n + 1);
  std::vector<int64_t> row_of(n + 1), reached_from(n + 1);
  std::vector<uint8_t> done(n + 1);
  for (int64_t row = 1; row <= n; ++row) {
    row_of[0] = row;
    int64_t column = 0;
    slack.assign(n + 1, kFar);
    done.assign(n + 1, 0);
    do {  // the shortest path to a free column
      done[column] = 1;
      const int64_t at = row_of[column];
      int64_t least = kFar, next = 0;
      for (int64_t c = 1; c <= n; ++c) {
        if (done[c]) continue;
        const int64_t cost = -gains[(at - 1) * n + c - 1] - row_potential[at] - column_potential[c];
        if (cost < slack[c]) {
          slack[c] = cost;
          reached_from[c] = column;
        }
        if (slack[c] < least) {
          least = slack[c];
          next = c;
        }
      }
      for (int64_t c = 0; c <= n; ++c) {
        if (done[c]) {
          row_potential[row_of[c]] += least;
          column_potential[c] -= least;
        } else {
          slack[c] -= least;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    while (column != 0) {
      const int64_t before = reached_from[column];
      row_of[column] = row_of[before];
      column = before;
    }
  }
  std::vector<int32_t> column_of(n);
  for (int64_t c = 1; c <= n; ++c) column_of[row_of[c] - 1] = static_cast<int32_t>(c - 1);
  return column_of;
}

}  // namespace tutti::ids
