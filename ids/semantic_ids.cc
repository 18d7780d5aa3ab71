#include "ids/semantic_ids.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

constexpr int64_t kGatherRows = 1 << 20;  // what ranks other than 0 hold of the others' codes
constexpr int64_t kSpillRows = 1 << 15;   // vectors and beams of crowded tracks held at a time

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_options(const SemanticIdOptions& options, int64_t num_tracks) {
  // A suffix level is never larger than the number of tracks.
  int64_t left = INT32_MAX - num_tracks;
  for (int64_t k : options.quantizer.num_codes) {
    if (k < 1 || k > left) {
      throw UsageError({"", "--num-codes", fmt::format("{}", k),
                        fmt::format("1 to {} codes on all levels together", INT32_MAX - num_tracks),
                        "ID tokens are 32-bit numbers"});
    }
    left -= k;
  }
  const auto& spill = options.spill;
  if (spill.group_cap < 0) {
    throw UsageError({"", "--group-cap", fmt::format("{}", spill.group_cap), "at least 0", ""});
  }
  if (!(spill.tolerance >= 0)) {
    throw UsageError(
        {"", "--spill-tolerance", fmt::format("{}", spill.tolerance), "at least 0", ""});
  }
  if (spill.group_cap > 0 && options.kind == QuantizerKind::kDictionary) {
    throw UsageError({"", "--group-cap", fmt::format("{}", spill.group_cap),
                      "0 with --quantizer dictionary", "its tracks have no other path to go to"});
  }
  if (spill.group_cap > 0 && options.quantizer.beam < 2) {
    throw UsageError({"", "--beam", fmt::format("{}", options.quantizer.beam),
                      "at least 2 with --group-cap",
                      "the other paths of a track come from the beam"});
  }
}

template <typename T>
void broadcast_vector(std::vector<T>* values, Communicator& comm) {
  int64_t size = std::ssize(*values);
  comm.broadcast(&size, sizeof(size), 0);
  values->resize(size);
  comm.broadcast(values->data(), size * static_cast<int64_t>(sizeof(T)), 0);
}

// The codes of all tracks on rank 0, none elsewhere. `mine`: of this rank's rows [.., num_levels].
std::vector<int32_t> gather_codes(const std::vector<int32_t>& mine, int64_t num_levels,
                                  const std::vector<int64_t>& split, Communicator& comm) {
  const int64_t row_bytes = num_levels * static_cast<int64_t>(sizeof(int32_t));
  const int64_t total = split.back();
  std::vector<int32_t> all(comm.is_root() ? total * num_levels
                                          : std::min(total, kGatherRows) * num_levels);
  for (int64_t begin = 0; begin < total; begin += kGatherRows) {
    const auto within = [&](int64_t row) {
      return std::clamp(row, begin, std::min(total, begin + kGatherRows));
    };
    std::vector<int64_t> bytes(comm.size());
    for (int r = 0; r < comm.size(); ++r) {
      bytes[r] = (within(split[r + 1]) - within(split[r])) * row_bytes;
    }
    const int64_t first = within(split[comm.rank()]) - split[comm.rank()];
    const int64_t at = comm.is_root() ? begin : 0;
    comm.all_gather_bytes(mine.data() + (bytes[comm.rank()] > 0 ? first * num_levels : 0),
                          all.data() + at * num_levels, bytes);
  }
  if (!comm.is_root()) all = {};
  return all;
}

// The choices of these tracks (rising; the same list on every rank) on rank 0, none elsewhere. The
// rows are packed into blocks by their place in the list, so who owns them does not matter.
PathChoices gather_choices(RowSource& rows, const std::vector<int32_t>& tracks,
                           const Codebooks& codebooks, int beam, double tolerance,
                           Communicator& comm, ThreadPool& pool) {
  PathChoices all;
  all.num_levels = codebooks.num_levels();
  for (int64_t begin = 0; begin < std::ssize(tracks); begin += kSpillRows) {
    const int64_t end = std::min(begin + kSpillRows, std::ssize(tracks));
    const auto place_of = [&](int64_t row) {
      return std::lower_bound(tracks.begin() + begin, tracks.begin() + end, row) - tracks.begin();
    };
    const int64_t first = place_of(rows.first()), last = place_of(rows.first() + rows.count());
    std::vector<int64_t> places;
    for (int64_t i = first; i < last; ++i) places.push_back(tracks[i] - rows.first());
    std::vector<float> values(places.size() * rows.dim());
    rows.gather(places, values.data());
    RowsInMemory packed({values.data(), first - begin, last - first, end - begin, rows.dim()});
    const auto mine = encode_choices(packed, codebooks, beam, tolerance, pool);
    const auto num_choices = [&] {
      std::vector<int32_t> counts;
      for (int64_t i = 0; i < mine.num_rows(); ++i) {
        counts.push_back(static_cast<int32_t>(mine.offsets[i + 1] - mine.offsets[i]));
      }
      return comm.all_gather(std::span<const int32_t>(counts));
    }();
    const auto paths = comm.all_gather(std::span<const int32_t>(mine.paths));
    if (!comm.is_root()) continue;
    for (const int32_t n : num_choices) all.offsets.push_back(all.offsets.back() + n);
    all.paths.insert(all.paths.end(), paths.begin(), paths.end());
  }
  return all;
}

// Lets crowded groups shed tracks: changes the codes of all tracks (`all`, on rank 0) and this
// rank's own (`mine`), and the groups.
SpillReport spill_crowded(RowSource& rows, const TrackOrder& tracks,
                          const SemanticIdOptions& options, const Codebooks& codebooks,
                          Communicator& comm, ThreadPool& pool, std::vector<int32_t>* all,
                          std::vector<int32_t>* mine, std::unique_ptr<CodeGroups>* groups) {
  const int64_t num_levels = codebooks.num_levels(), cap = options.spill.group_cap;
  std::vector<int32_t> crowded;
  if (comm.is_root()) crowded = tracks_above_cap(**groups, cap);
  broadcast_vector(&crowded, comm);
  const auto choices = gather_choices(rows, crowded, codebooks, options.quantizer.beam,
                                      options.spill.tolerance, comm, pool);
  SpillReport report;
  std::vector<int32_t> moved, paths;
  if (comm.is_root()) {
    for (int64_t g = 0; g < (*groups)->num_groups(); ++g) {
      report.groups_above_cap += std::ssize((*groups)->tracks_of(g)) > cap;
    }
    moved = spill(**groups, cap, crowded, choices, all);
    report.tracks_above_cap = std::ssize(crowded);
    report.tracks_moved = std::ssize(moved);
    for (const int32_t track : moved) {
      const auto path = std::span(*all).subspan(track * num_levels, num_levels);
      paths.insert(paths.end(), path.begin(), path.end());
    }
    groups->reset();  // before the next ones take their memory
    *groups = std::make_unique<CodeGroups>(*all, num_levels, tracks.popularity, tracks.keys);
  }
  broadcast_vector(&moved, comm);
  broadcast_vector(&paths, comm);
  for (int64_t i = 0; i < std::ssize(moved); ++i) {
    const int64_t local = moved[i] - rows.first();
    if (local < 0 || local >= rows.count()) continue;
    std::copy_n(&paths[i * num_levels], num_levels, &(*mine)[local * num_levels]);
  }
  return report;
}

}  // namespace

const char* name_of(QuantizerKind kind) {
  switch (kind) {
    case QuantizerKind::kResidual:
      return "rq-kmeans";
    case QuantizerKind::kDictionary:
      return "dictionary";
    case QuantizerKind::kGiven:
      return "rq-vae";
  }
  TUTTI_CHECK(false, "a QuantizerKind of no name");
}

QuantizerKind quantizer_kind(const std::string& name) {
  for (const auto kind :
       {QuantizerKind::kResidual, QuantizerKind::kDictionary, QuantizerKind::kGiven}) {
    if (name == name_of(kind)) return kind;
  }
  throw UsageError({"", "--quantizer", "'" + name + "'", "rq-kmeans, dictionary or rq-vae", ""});
}

DictionaryOptions dictionary_of(const ResidualQuantizerOptions& options) {
  const auto refuse = [](const char* option, const std::string& found,
                         const std::string& expected) {
    throw UsageError({"", option, found, expected + " with --quantizer dictionary", ""});
  };
  TUTTI_CHECK(!options.num_codes.empty());
  for (const int64_t k : options.num_codes) {
    if (k == options.num_codes[0] && k % 2 == 0) continue;
    refuse("--num-codes", fmt::format("{}", k),
           "the same even number on each level, an atom and its sign,");
  }
  if (options.balance != 0) refuse("--balance", fmt::format("{}", options.balance), "0");
  DictionaryOptions dictionary;
  dictionary.num_atoms = options.num_codes[0] / 2;
  dictionary.num_levels = std::ssize(options.num_codes);
  dictionary.norm = options.norm;
  dictionary.max_steps = options.max_steps;
  dictionary.fit_codes = options.refit_rounds > 0;
  dictionary.sample_rows = options.sample_rows;
  dictionary.seed = options.seed;
  return dictionary;
}

IdTable make_id_table(const std::vector<int32_t>& codes, const std::vector<int32_t>& suffixes,
                      const Codebooks& codebooks, const std::string& space) {
  const int64_t num_levels = codebooks.num_levels();
  const auto num_tracks = std::ssize(suffixes);
  IdTable table;
  table.strategy = "semantic";
  table.space = space;
  table.vector_dim = codebooks.dim();
  for (const auto& level : codebooks.levels) {
    table.levels.push_back({table.num_tokens(), static_cast<int32_t>(level.num_codes)});
    table.token_vectors.insert(table.token_vectors.end(), level.values.begin(), level.values.end());
  }
  const int32_t most = suffixes.empty() ? 0 : *std::ranges::max_element(suffixes);
  table.levels.push_back({table.num_tokens(), most + 1});
  table.token_vectors.resize(table.num_tokens() * table.vector_dim);
  table.offsets.reserve(num_tracks + 1);
  table.tokens.reserve(num_tracks * (num_levels + 1));
  for (int64_t t = 0; t < num_tracks; ++t) {
    for (int64_t l = 0; l < num_levels; ++l) {
      table.tokens.push_back(table.levels[l].first_token + codes[t * num_levels + l]);
    }
    table.tokens.push_back(table.levels.back().first_token + suffixes[t]);
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return table;
}

SemanticIds build_semantic_ids(RowSource& rows, const std::vector<int64_t>& split,
                               const TrackOrder& tracks, const SemanticIdOptions& options,
                               Communicator& comm, ThreadPool& pool) {
  check_options(options, rows.total());
  SemanticIds result;
  auto start = std::chrono::steady_clock::now();
  if (options.kind == QuantizerKind::kDictionary) {
    const DictionaryOptions dictionary = dictionary_of(options.quantizer);
    result.codebooks = train_dictionary(rows, dictionary, comm, pool, &result.dictionary);
    result.quantizer.trained_on = result.dictionary.trained_on;
  } else if (options.kind == QuantizerKind::kGiven) {
    result.codebooks = options.given;
    result.quantizer.trained_on = rows.total();
  } else {
    result.codebooks =
        train_residual_quantizer(rows, options.quantizer, comm, pool, &result.quantizer);
  }
  result.train_s = seconds_since(start);

  start = std::chrono::steady_clock::now();
  auto mine = encode(rows, result.codebooks, options.quantizer.beam, pool);
  result.encode_s = seconds_since(start);

  start = std::chrono::steady_clock::now();
  const int64_t num_levels = result.codebooks.num_levels();
  auto codes = gather_codes(mine, num_levels, split, comm);
  std::unique_ptr<CodeGroups> groups;
  if (comm.is_root()) {
    groups = std::make_unique<CodeGroups>(codes, num_levels, tracks.popularity, tracks.keys);
  }
  if (options.spill.group_cap > 0) {
    result.spill =
        spill_crowded(rows, tracks, options, result.codebooks, comm, pool, &codes, &mine, &groups);
  }
  result.quantizer.levels = measure_codes(rows, mine, result.codebooks, comm, pool);
  if (comm.is_root()) {
    result.groups = groups->report();
    const auto suffixes = groups->suffixes();
    groups.reset();
    result.table = make_id_table(codes, suffixes, result.codebooks, options.space);
  }
  result.unique_s = seconds_since(start);
  return result;
}

}  // namespace tutti::ids
