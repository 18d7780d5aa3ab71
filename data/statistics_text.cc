#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "data/split.h"
#include "data/statistics.h"

namespace tutti::data {
namespace {

struct QuantileName {
  const char* name;
  double share;
};
constexpr std::array<QuantileName, 7> kQuantiles = {{{"min", 0.0},
                                                     {"10 %", 0.1},
                                                     {"median", 0.5},
                                                     {"75 %", 0.75},
                                                     {"90 %", 0.9},
                                                     {"99 %", 0.99},
                                                     {"max", 1.0}}};

int64_t occurrences(const Histogram& histogram) {
  int64_t total = 0;
  for (const auto& [value, count] : histogram) total += count;
  return total;
}

double mean(const Histogram& histogram) {
  double sum = 0;
  for (const auto& [value, count] : histogram) {
    sum += static_cast<double>(value) * static_cast<double>(count);
  }
  const int64_t total = occurrences(histogram);
  return total == 0 ? 0 : sum / static_cast<double>(total);
}

int64_t count_at(const Histogram& histogram, int64_t value) {
  const auto found = histogram.find(value);
  return found == histogram.end() ? 0 : found->second;
}

double percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// Without the values of 0: tracks (titles) that occur.
Histogram occurring(Histogram histogram) {
  histogram.erase(0);
  return histogram;
}

nlohmann::json quantiles_json(const Histogram& histogram) {
  nlohmann::json json = {{"mean", mean(histogram)}};
  for (const auto& [name, share] : kQuantiles) json[name] = quantile(histogram, share);
  return json;
}

std::string quantiles_line(const char* what, const Histogram& histogram) {
  std::string line = fmt::format("  {:<24} mean {:.1f}", what, mean(histogram));
  for (const auto& [name, share] : kQuantiles) {
    line += fmt::format(", {} {}", name, quantile(histogram, share));
  }
  return line + "\n";
}

nlohmann::json frequencies_json(const std::vector<Frequency>& list) {
  nlohmann::json json = nlohmann::json::array();
  for (const Frequency& entry : list) {
    json.push_back({{"name", entry.name}, {"playlists", entry.playlists}});
  }
  return json;
}

std::string frequency_lines(const char* heading, const std::vector<Frequency>& list) {
  if (list.empty()) return {};
  std::string lines = fmt::format("{}\n", heading);
  for (const Frequency& entry : list) {
    lines += fmt::format("  {:>9}  {}\n", entry.playlists, entry.name);
  }
  return lines;
}

// A manifest's counts and config, a line a value; lists are told by their length.
std::string json_lines(const nlohmann::json& json, const std::string& indent) {
  std::string lines;
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      lines += fmt::format("{}{}\n", indent, key) + json_lines(value, indent + "  ");
    } else if (value.is_array() && value.size() > 8) {
      lines += fmt::format("{}{}: {} entries\n", indent, key, value.size());
    } else {
      lines += fmt::format("{}{}: {}\n", indent, key,
                           value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  return lines;
}

}  // namespace

nlohmann::json to_json(const DatasetStatistics& s) {
  nlohmann::json parts = nlohmann::json::object();
  for (const Part part : {Part::kTrain, Part::kValidation, Part::kTest}) {
    const PartStatistics& p = s.parts[static_cast<size_t>(part)];
    parts[name_of(part)] = {{"playlists", p.playlists}, {"entries", p.entries}};
    if (part == Part::kTrain) continue;
    parts[name_of(part)]["seen_title"] = p.seen;
    parts[name_of(part)]["unseen_title"] = p.playlists - p.seen;
  }
  const Histogram tracks = occurring(s.track_playlists);
  return {{"parts", parts},
          {"playlist_length", quantiles_json(s.playlist_lengths)},
          {"tracks",
           {{"in_playlists", occurrences(tracks)},
            {"in_one_playlist", count_at(tracks, 1)},
            {"playlists_a_track", quantiles_json(tracks)},
            {"held_out_entries_never_trained", s.held_out_entries_never_trained},
            {"top", frequencies_json(s.top_tracks)}}},
          {"titles",
           {{"normalized", occurrences(s.title_words)},
            {"in_one_playlist", count_at(s.title_playlists, 1)},
            {"words", quantiles_json(s.title_words)},
            {"playlists_a_title", quantiles_json(s.title_playlists)},
            {"top", frequencies_json(s.top_titles)}}}};
}

std::string to_text(const DatasetStatistics& s) {
  std::string text = "parts\n";
  int64_t held_out_entries = 0;
  for (const Part part : {Part::kTrain, Part::kValidation, Part::kTest}) {
    const PartStatistics& p = s.parts[static_cast<size_t>(part)];
    text += fmt::format("  {:<12} {:>9} playlists, {:>10} entries", name_of(part), p.playlists,
                        p.entries);
    if (part != Part::kTrain) {
      text += fmt::format(", {} with a seen title, {} unseen", p.seen, p.playlists - p.seen);
      held_out_entries += p.entries;
    }
    text += "\n";
  }
  const Histogram tracks = occurring(s.track_playlists);
  const int64_t num_tracks = occurrences(tracks), num_titles = occurrences(s.title_words);
  text += "quantiles\n";
  text += quantiles_line("tracks a playlist", s.playlist_lengths);
  text += quantiles_line("playlists a track", tracks);
  text += quantiles_line("playlists a title", s.title_playlists);
  text += quantiles_line("words a title", s.title_words);
  text += "shares\n";
  text += fmt::format("  {:.1f} % of {} tracks in playlists are in one only\n",
                      percent(count_at(tracks, 1), num_tracks), num_tracks);
  text += fmt::format("  {:.1f} % of {} normalised titles name one playlist only\n",
                      percent(count_at(s.title_playlists, 1), num_titles), num_titles);
  text +=
      fmt::format("  {:.1f} % of {} held-out entries are tracks of no training playlist\n",
                  percent(s.held_out_entries_never_trained, held_out_entries), held_out_entries);
  text += frequency_lines("titles by playlists", s.top_titles);
  text += frequency_lines("tracks by playlists", s.top_tracks);
  return text;
}

std::string manifest_summary(const Manifest& manifest) {
  std::string text = fmt::format("{} (format {})\nhash {}\n", manifest.kind,
                                 manifest.format_version, manifest.hash);
  for (const auto& [role, hash] : manifest.made_from) {
    text += fmt::format("made from {} {}\n", role, hash);
  }
  text += "counts\n" + json_lines(manifest.counts, "  ");
  if (!manifest.config.empty()) text += "config\n" + json_lines(manifest.config, "  ");
  text += "files\n";
  int64_t bytes = 0;
  constexpr size_t kShown = 12;
  size_t shown = 0;
  for (const auto& [name, entry] : manifest.files) {
    bytes += entry.bytes;
    if (++shown <= kShown) text += fmt::format("  {:>12}  {}\n", entry.bytes, name);
  }
  if (shown > kShown) text += fmt::format("  and {} more\n", shown - kShown);
  return text + fmt::format("  {:>12}  bytes in all\n", bytes);
}

}  // namespace tutti::data
