#include "data/import/tags.h"

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "data/dataset_writer.h"
#include "data/import/numbers.h"
#include "data/import/text_reader.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

constexpr std::string_view kHeader = "track_id\tartist_id\talbum_id\tduration_s\ttags";
constexpr size_t kNumColumns = 5;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Manifest import_tags(const std::filesystem::path& path, const std::filesystem::path& out,
                     const nlohmann::json& config, bool overwrite) {
  TextReader reader(path);
  std::string line;
  const auto refuse = [&](const std::string& found, const std::string& expected) {
    throw DataError({reader.path(), fmt::format("line {}", reader.line()), found, expected, ""});
  };
  if (!reader.next_line(&line)) refuse("an empty file", "a header");
  if (line != kHeader) {
    refuse(fmt::format("header '{}'", line.substr(0, 80)),
           "'track_id artist_id album_id duration_s tags', separated by tabs");
  }

  DatasetWriter writer(out, {}, config, overwrite);
  while (reader.next_line(&line)) {
    const std::vector<std::string_view> columns = split(line, '\t');
    if (columns.size() != kNumColumns) {
      refuse(fmt::format("{} columns", columns.size()), std::to_string(kNumColumns));
    }
    if (columns[0].empty()) refuse("an empty track_id", "an id");
    if (writer.has_track(columns[0])) {
      refuse(fmt::format("track '{}' a second time", columns[0]), "every track once");
    }
    const auto duration = columns[3].empty() ? 0.0 : parse_number<double>(columns[3]);
    if (!duration || !(*duration >= 0)) {
      refuse(fmt::format("duration_s '{}'", columns[3]), "seconds");
    }
    std::vector<std::string_view> tags = split(columns[4], ',');
    std::erase(tags, std::string_view());
    writer.add_track({columns[0], "", columns[1], "", columns[2], "", *duration, std::span(tags)});
  }
  if (writer.catalog().num_tracks() == 0) refuse("no tracks", "a line a track");
  return writer.finish();
}

}  // namespace tutti::data
