#include "ids/row_budget.h"

#include <algorithm>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "ids/file_rows.h"

namespace tutti::ids {
namespace {

constexpr int64_t kLargestChunkBytes = int64_t{32} << 20;  // enough to read at the disk's speed

}  // namespace

int64_t quantizer_bytes(const ResidualQuantizerOptions& options, const RowSource::Extent& extent,
                        int num_threads) {
  const int64_t dim = extent.dim, threads = num_threads;
  const auto num_levels = std::ssize(options.num_codes);
  int64_t all = 0, most = 0, pairs = 0;
  for (const int64_t k : options.num_codes) {
    pairs += all * k;
    all += k;
    most = std::max(most, k);
  }
  const int64_t codes = 4 * extent.count * (2 * num_levels + 1) +
                        4 * dim * std::min(extent.count, options.sample_rows);
  const int64_t lloyd = 8 * most * (dim + 1) * (threads + 1) + 8 * most * dim;
  const int64_t sample = std::min(extent.count, KMeansOptions().seed_rows_per_code * most);
  const int64_t seeding = sample * (4 * dim + 20) + 2 * 4 * 6 * most * dim;
  const int64_t encoder =
      4 * pairs + 8 * all * dim + 4 * threads * (64 * dim + (67 + options.beam) * (most + 48));
  const int64_t refit = options.refit_rounds == 0
                            ? 0
                            : 8 * pairs + 8 * all * (dim + 1) * (threads + 1) + 16 * all * dim;
  return codes + std::max({lloyd + seeding, encoder, refit});
}

int64_t dictionary_bytes(const DictionaryOptions& options, const RowSource::Extent& extent,
                         int num_threads) {
  const int64_t dim = extent.dim, threads = num_threads;
  const int64_t atoms = options.num_atoms, levels = options.num_levels;
  ResidualQuantizerOptions start;  // its k-means, and the fit of all levels' codes
  start.num_codes.assign(levels, 2 * atoms);
  start.refit_rounds = options.fit_codes ? 1 : 0;
  start.sample_rows = options.sample_rows;
  const int64_t codes = 8 * levels * extent.count;
  const int64_t sums = 8 * atoms * (atoms + dim) * (threads + 1);
  const int64_t pursuit = 4 * (atoms + 48) * (atoms + dim + threads * 10);
  return codes + sums + pursuit + quantizer_bytes(start, extent, num_threads);
}

BudgetedRows open_rows(const EmbeddingsFile& file, const Range& own, int64_t budget_bytes,
                       const data::StringTable* track_keys) {
  const int64_t row_bytes = file.dim() * static_cast<int64_t>(sizeof(float));
  BudgetedRows rows;
  if (own.size() * row_bytes <= budget_bytes) {
    rows.values.resize(static_cast<size_t>(own.size() * file.dim()));
    if (own.size() > 0) file.read_rows(own.first, own.size(), rows.values.data(), track_keys);
    rows.source = std::make_unique<RowsInMemory>(
        RowShard{rows.values.data(), own.first, own.size(), file.num_rows(), file.dim()});
    return rows;
  }
  const int64_t chunk_bytes = std::min(kLargestChunkBytes, budget_bytes / 2);
  const int64_t chunk_rows = chunk_bytes / row_bytes / kRowBlock * kRowBlock;
  if (chunk_rows < kRowBlock) {
    throw UsageError({"", "--memory",
                      fmt::format("{} MiB left for rows", std::max<int64_t>(0, budget_bytes) >> 20),
                      fmt::format("at least {} MiB", (2 * kRowBlock * row_bytes >> 20) + 1),
                      "raise it, or ask for fewer codes with --num-codes"});
  }
  rows.streamed = true;
  rows.source = std::make_unique<FileRows>(file, own, chunk_rows, track_keys);
  return rows;
}

}  // namespace tutti::ids
