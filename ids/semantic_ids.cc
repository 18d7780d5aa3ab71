#include "ids/semantic_ids.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_token_count(const std::vector<int64_t>& num_codes, int64_t num_tracks) {
  // A suffix level is never larger than the number of tracks.
  int64_t left = INT32_MAX - num_tracks;
  for (int64_t k : num_codes) {
    if (k < 1 || k > left) {
      throw UsageError({"", "--num-codes", fmt::format("{}", k),
                        fmt::format("1 to {} codes on all levels together", INT32_MAX - num_tracks),
                        "ID tokens are 32-bit numbers"});
    }
    left -= k;
  }
}

}  // namespace

IdTable make_id_table(const std::vector<int32_t>& codes, const Suffixes& suffixes,
                      const Codebooks& codebooks, const std::string& space) {
  const int64_t num_levels = codebooks.num_levels();
  const auto num_tracks = std::ssize(suffixes.suffix);
  IdTable table;
  table.strategy = "semantic";
  table.space = space;
  table.vector_dim = codebooks.dim();
  for (const auto& level : codebooks.levels) {
    table.levels.push_back({table.num_tokens(), static_cast<int32_t>(level.num_codes)});
    table.token_vectors.insert(table.token_vectors.end(), level.values.begin(), level.values.end());
  }
  table.levels.push_back(
      {table.num_tokens(), static_cast<int32_t>(std::max<int64_t>(1, suffixes.groups.largest))});
  table.token_vectors.resize(table.num_tokens() * table.vector_dim);
  table.offsets.reserve(num_tracks + 1);
  table.tokens.reserve(num_tracks * (num_levels + 1));
  for (int64_t t = 0; t < num_tracks; ++t) {
    for (int64_t l = 0; l < num_levels; ++l) {
      table.tokens.push_back(table.levels[l].first_token + codes[t * num_levels + l]);
    }
    table.tokens.push_back(table.levels.back().first_token + suffixes.suffix[t]);
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

SemanticIds build_semantic_ids(const RowShard& rows, const std::vector<int64_t>& split,
                               const std::vector<int32_t>& popularity,
                               const data::StringTable& keys, const std::string& space,
                               const ResidualQuantizerOptions& options, Communicator& comm,
                               ThreadPool& pool) {
  check_token_count(options.num_codes, rows.total);
  SemanticIds result;
  auto start = std::chrono::steady_clock::now();
  result.codebooks =
      train_residual_quantizer(rows, options, comm, pool, &result.quantizer.training);
  result.train_s = seconds_since(start);

  start = std::chrono::steady_clock::now();
  const auto mine = encode(rows, result.codebooks, options.beam, pool);
  result.quantizer.levels = measure_codes(rows, mine, result.codebooks, comm);
  const int64_t num_levels = result.codebooks.num_levels();
  std::vector<int32_t> codes(rows.total * num_levels);
  std::copy(mine.begin(), mine.end(), codes.begin() + rows.first * num_levels);
  comm.all_gather_rows(codes.data(), num_levels * static_cast<int64_t>(sizeof(int32_t)), split);
  result.encode_s = seconds_since(start);

  start = std::chrono::steady_clock::now();
  const auto suffixes = assign_suffixes(codes, num_levels, popularity, keys);
  result.groups = suffixes.groups;
  result.table = make_id_table(codes, suffixes, result.codebooks, space);
  result.unique_s = seconds_since(start);
  return result;
}

}  // namespace tutti::ids
