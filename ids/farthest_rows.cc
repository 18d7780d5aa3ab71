#include "ids/farthest_rows.h"

#include <algorithm>

#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

struct Candidate {
  double distance;
  int64_t row;  // global
};

bool farther(const Candidate& a, const Candidate& b) {
  return a.distance != b.distance ? a.distance > b.distance : a.row < b.row;
}

void keep_farthest(int64_t n, std::vector<Candidate>* candidates) {
  if (std::ssize(*candidates) <= n) return;
  std::nth_element(candidates->begin(), candidates->begin() + n, candidates->end(), farther);
  candidates->resize(static_cast<size_t>(n));
}

}  // namespace

std::vector<float> farthest_rows(RowSource& rows, const Codebook& codebook,
                                 const std::vector<int32_t>& codes, int64_t n, Communicator& comm,
                                 ThreadPool& pool) {
  std::vector<std::vector<Candidate>> threads(static_cast<size_t>(pool.num_threads()));
  rows.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    auto& mine = threads[static_cast<size_t>(t)];
    for (int64_t i = 0; i < part.count; ++i) {
      const auto code = codebook.row(codes[static_cast<size_t>(part.local + i)]);
      const double d = squared_distance(values + i * rows.dim(), code.data(), rows.dim());
      if (d > 0) mine.push_back({d, rows.first() + part.local + i});
    }
    if (std::ssize(mine) > 2 * n + kRowBlock) keep_farthest(n, &mine);
  });
  std::vector<Candidate> mine;
  for (const auto& thread : threads) mine.insert(mine.end(), thread.begin(), thread.end());
  keep_farthest(n, &mine);
  auto all = comm.all_gather(std::span<const Candidate>(mine));
  keep_farthest(n, &all);
  std::sort(all.begin(), all.end(), farther);

  std::vector<int64_t> rising;
  rising.reserve(all.size());
  for (const auto& candidate : all) rising.push_back(candidate.row);
  std::sort(rising.begin(), rising.end());
  const auto vectors = gather_rows(rows, rising, comm);
  std::vector<float> result;
  for (const auto& candidate : all) {
    const auto at = std::lower_bound(rising.begin(), rising.end(), candidate.row) - rising.begin();
    result.insert(result.end(), vectors.begin() + at * rows.dim(),
                  vectors.begin() + (at + 1) * rows.dim());
  }
  return result;
}

}  // namespace tutti::ids
