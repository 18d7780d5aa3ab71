#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/row_source.h"

namespace tutti::ids {

// The code paths that rows could take instead of their own, nearest first.
struct PathChoices {
  int64_t num_levels = 0;
  std::vector<int64_t> offsets{0};  // [rows + 1]
  std::vector<int32_t> paths;       // choice c: paths[c * num_levels, (c + 1) * num_levels)

  int64_t num_rows() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int32_t> path(int64_t choice) const {
    return std::span(paths).subspan(choice * num_levels, num_levels);
  }
};

// Of the paths that the beam ends with, those whose squared distance is at most (1 + tolerance)
// times the nearest one's; the nearest itself is left out. Not collective: a row's choices depend
// on the row and the codebooks alone. A row that its code meets exactly has only paths that meet it
// as well.
PathChoices encode_choices(RowSource& rows, const Codebooks& codebooks, int beam, double tolerance,
                           ThreadPool& pool);

}  // namespace tutti::ids
