#include "ids/sampled_rows.h"

#include <algorithm>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::ids {

SampledRows::SampledRows(RowSource& rows, int64_t size, uint64_t seed) {
  TUTTI_CHECK(size >= 1 && size <= rows.total(), "a sample of the table's rows");
  const Permutation permutation(rows.total(), seed, Purpose::kRowSample);
  int64_t before = 0;  // rows of the sample that ranks before this one own
  std::vector<int64_t> places;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t place = static_cast<int64_t>(permutation(i)) - rows.first();
    before += place < 0 ? 1 : 0;
    if (place >= 0 && place < rows.count()) places.push_back(place);
  }
  std::ranges::sort(places);
  values_.resize(places.size() * rows.dim());
  rows.gather(places, values_.data());
  source_ = std::make_unique<RowsInMemory>(
      RowShard{values_.data(), before, std::ssize(places), size, rows.dim()});
}

}  // namespace tutti::ids
