#include "ids/path_report.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "ids/radix_order.h"

namespace tutti::ids {
namespace {

// Columns of the codes with levels [0, num_levels) of `columns`.
using Columns = std::vector<DigitColumn>;

// Calls use(first, last) for each run of order[first, last) that is equal in all columns.
template <typename Use>
void for_each_run(const Columns& columns, const std::vector<int32_t>& order, Use use) {
  const auto same = [&](int32_t a, int32_t b) {
    return std::ranges::all_of(columns, [&](const DigitColumn& c) {
      return c.values[a * c.stride] == c.values[b * c.stride];
    });
  };
  const auto n = std::ssize(order);
  for (int64_t first = 0; first < n;) {
    int64_t last = first + 1;
    while (last < n && same(order[first], order[last])) ++last;
    use(first, last);
    first = last;
  }
}

// -sum p log2 p, a part at a time: counts that sum to `total`.
class Entropy {
 public:
  explicit Entropy(int64_t total) : total_(static_cast<double>(total)) {}
  void add(int64_t count) {
    const double share = static_cast<double>(count) / total_;
    if (count > 0) bits_ -= share * std::log2(share);
  }
  double bits() const { return bits_; }

 private:
  double total_, bits_ = 0;
};

double entropy_of(const Columns& columns, int64_t num_tracks) {
  Entropy entropy(num_tracks);
  for_each_run(columns, radix_order(columns, num_tracks),
               [&](int64_t first, int64_t last) { entropy.add(last - first); });
  return entropy.bits();
}

CodeUse use_of(const DigitColumn& column, int64_t num_codes, int64_t num_tracks) {
  std::vector<int64_t> counts(num_codes);
  for (int64_t t = 0; t < num_tracks; ++t) ++counts[column.values[t * column.stride]];
  CodeUse use;
  use.num_codes = num_codes;
  Entropy entropy(num_tracks);
  for (const int64_t count : counts) {
    use.codes_used += count > 0;
    use.largest_code = std::max(use.largest_code, count);
    entropy.add(count);
  }
  use.entropy_bits = entropy.bits();
  use.perplexity = std::exp2(use.entropy_bits);
  use.gini = gini(std::move(counts));
  return use;
}

PrefixArtists artists_of(const Columns& columns, std::span<const int32_t> track_artist,
                         int64_t num_artists) {
  const auto num_tracks = std::ssize(track_artist);
  PrefixArtists result;
  result.length = std::ssize(columns);
  // Within a prefix, tracks of an artist stand together; those of unknown artist in front.
  std::vector<int32_t> artists(num_tracks);
  std::ranges::transform(track_artist, artists.begin(), [](int32_t a) { return a + 1; });
  Columns all = columns;
  all.push_back({artists.data(), 1, num_artists + 1});
  const auto order = radix_order(all, num_tracks);
  double sum = 0;
  for_each_run(columns, order, [&](int64_t first, int64_t last) {
    ++result.num_prefixes;
    if (last - first < 2) return;
    for (int64_t begin = first; begin < last;) {
      const int32_t artist = artists[order[begin]];
      int64_t end = begin + 1;
      while (end < last && artists[order[end]] == artist) ++end;
      if (artist > 0) {
        const auto count = static_cast<double>(end - begin);
        sum += count * (count - 1) / static_cast<double>(last - first - 1);
        result.tracks_compared += end - begin;
      }
      begin = end;
    }
  });
  if (result.tracks_compared > 0) {
    result.same_artist = sum / static_cast<double>(result.tracks_compared);
  }
  return result;
}

void report_groups(const Columns& columns, int64_t num_tracks, PathReport* report) {
  std::vector<int64_t> sizes;
  for_each_run(columns, radix_order(columns, num_tracks),
               [&](int64_t first, int64_t last) { sizes.push_back(last - first); });
  Entropy joint(num_tracks);
  for (const int64_t size : sizes) {
    joint.add(size);
    const auto bin = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(size)) - 1);
    while (report->sizes.size() <= bin) {
      report->sizes.push_back({int64_t{1} << report->sizes.size(), 0, 0});
    }
    ++report->sizes[bin].num_groups;
    report->sizes[bin].num_tracks += size;
  }
  report->joint_entropy_bits = joint.bits();
  report->groups = summarize_groups(sizes);
  // Suffix s stands behind as many tracks as there are groups larger than s.
  std::ranges::sort(sizes);
  Entropy suffix(num_tracks);
  for (int64_t s = 0; s < report->groups.largest; ++s) {
    suffix.add(sizes.end() - std::ranges::upper_bound(sizes, s));
  }
  report->suffix_entropy_bits = suffix.bits();
  report->group_gini = gini(std::move(sizes));
}

}  // namespace

double gini(std::vector<int64_t> counts) {
  std::ranges::sort(counts);
  const auto n = static_cast<double>(counts.size());
  double sum = 0, weighted = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    sum += static_cast<double>(counts[i]);
    weighted += static_cast<double>(i + 1) * static_cast<double>(counts[i]);
  }
  return sum == 0 ? 0 : 2 * weighted / (n * sum) - (n + 1) / n;
}

std::vector<int32_t> codes_of(const IdTable& table) {
  const int64_t length = table.id_length();
  if (table.strategy != "semantic" || length < 2) {
    throw DataError({"", "", fmt::format("IDs of strategy '{}'", table.strategy), "'semantic'",
                     "only IDs made of codes have a report"});
  }
  std::vector<int32_t> codes(table.num_tracks() * (length - 1));
  for (int64_t t = 0; t < table.num_tracks(); ++t) {
    const auto id = table.id_of(t);
    if (std::ssize(id) != length) {
      throw DataError({"", fmt::format("track {}", t), fmt::format("an ID of {} tokens", id.size()),
                       fmt::format("{}", length), ""});
    }
    for (int64_t l = 0; l + 1 < length; ++l) {
      const auto& level = table.levels[l];
      const int32_t code = id[l] - level.first_token;
      if (code < 0 || code >= level.num_tokens) {
        throw DataError({"", fmt::format("track {}", t),
                         fmt::format("token {} at place {}", id[l], l),
                         fmt::format("a token in [{}, {})", level.first_token,
                                     level.first_token + level.num_tokens),
                         ""});
      }
      codes[t * (length - 1) + l] = code;
    }
  }
  return codes;
}

PathReport report_paths(std::span<const int32_t> codes, const std::vector<int64_t>& num_codes,
                        std::span<const int32_t> track_artist) {
  const auto num_levels = std::ssize(num_codes);
  const int64_t num_tracks = std::ssize(codes) / num_levels;
  PathReport report;
  report.num_tracks = num_tracks;
  Columns columns;
  for (int64_t l = 0; l < num_levels; ++l) {
    columns.push_back({codes.data() + l, num_levels, num_codes[l]});
    report.levels.push_back(use_of(columns.back(), num_codes[l], num_tracks));
    report.code_bits += std::log2(static_cast<double>(num_codes[l]));
  }
  report.shared_bits.resize(num_levels * num_levels);
  for (int64_t a = 0; a < num_levels; ++a) {
    const double alone = report.levels[a].entropy_bits;
    report.shared_bits[a * num_levels + a] = alone;
    for (int64_t b = a + 1; b < num_levels; ++b) {
      const double both = entropy_of({columns[a], columns[b]}, num_tracks);
      const double shared = std::max(0.0, alone + report.levels[b].entropy_bits - both);
      report.shared_bits[a * num_levels + b] = shared;
      report.shared_bits[b * num_levels + a] = shared;
    }
  }
  report_groups(columns, num_tracks, &report);
  if (track_artist.empty()) return report;
  TUTTI_CHECK(std::ssize(track_artist) == num_tracks, "an artist a track");
  const int64_t num_artists = *std::ranges::max_element(track_artist) + int64_t{1};
  for (int64_t length = 0; length <= num_levels; ++length) {
    report.prefixes.push_back(
        artists_of({columns.begin(), columns.begin() + length}, track_artist, num_artists));
  }
  return report;
}

}  // namespace tutti::ids
