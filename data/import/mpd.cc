#include "data/import/mpd.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <simdjson.h>

#include "data/import/text_reader.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

namespace dom = simdjson::dom;

bool is_slice(const std::string& name) {
  return name.starts_with("mpd.slice.") && (name.ends_with(".json") || name.ends_with(".json.gz"));
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Where a strict parser stops in text that simdjson refused (its DOM does not say where).
class ErrorFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(size_t /*size*/) override { return true; }
  bool key(string_t& /*value*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    byte = position;
    return false;
  }

  std::optional<size_t> byte;
};

[[noreturn]] void throw_malformed(const std::string& path, const std::string& text,
                                  simdjson::error_code error) {
  ErrorFinder finder;
  nlohmann::json::sax_parse(text, &finder);
  const std::string place = finder.byte ? fmt::format("byte {}", *finder.byte) : "";
  const bool at_end = finder.byte && *finder.byte > text.size();
  throw DataError({path, place,
                   at_end ? fmt::format("malformed JSON: it ends after {} bytes", text.size())
                          : fmt::format("malformed JSON: {}", simdjson::error_message(error)),
                   "", "copy or unpack the slice again"});
}

// Where in a slice an object is; made into words only for an error.
struct Place {
  int64_t playlist = -1;  // from 0 in the slice; -1: the top level
  int64_t track = -1;
  std::string_view pid;  // empty while unknown

  std::string text() const {
    if (playlist < 0) return "top level";
    std::string words = fmt::format("playlist {}", playlist);
    if (!pid.empty()) words += fmt::format(" (pid {})", pid);
    if (track >= 0) words += fmt::format(", track {}", track);
    return words;
  }
};

// Fields of one JSON object, with errors that say where the object is.
class Fields {
 public:
  Fields(const std::string& path, Place place, dom::element element) : path_(path), place_(place) {
    if (element.get(object_) != simdjson::SUCCESS) refuse("no JSON object", "an object");
  }

  template <typename T>
  T require(const char* name, const char* type) const {
    const auto element = object_[name];
    if (element.error() != simdjson::SUCCESS) refuse(fmt::format("no field '{}'", name), "");
    T value{};
    if (element.get(value) != simdjson::SUCCESS) {
      refuse(fmt::format("field '{}' of another type", name), type);
    }
    return value;
  }

  template <typename T>
  T optional(const char* name, const char* type) const {
    const auto element = object_[name];
    if (element.error() != simdjson::SUCCESS || element.is_null()) return T{};
    return require<T>(name, type);
  }

  [[noreturn]] void refuse(const std::string& found, const std::string& expected) const {
    throw DataError({path_, place_.text(), found, expected, ""});
  }

 private:
  const std::string& path_;
  Place place_;
  dom::object object_;
};

TrackRow track_of(const Fields& fields) {
  TrackRow track;
  track.key = fields.require<std::string_view>("track_uri", "a string");
  if (track.key.empty()) fields.refuse("an empty track_uri", "an id");
  track.name = fields.require<std::string_view>("track_name", "a string");
  track.artist_key = fields.require<std::string_view>("artist_uri", "a string");
  track.artist_name = fields.require<std::string_view>("artist_name", "a string");
  track.album_key = fields.optional<std::string_view>("album_uri", "a string");
  track.album_name = fields.optional<std::string_view>("album_name", "a string");
  track.duration_s = fields.optional<double>("duration_ms", "a number") / 1000;
  return track;
}

// `begin` and `end`: the shares of all slices read before and after this one.
void read_slice(const std::filesystem::path& slice, double begin, double end, dom::parser* parser,
                const PlaylistSink& sink) {
  const std::string path = slice.string();
  const std::string text = TextReader(slice).rest();
  dom::element document;
  if (const auto error = parser->parse(text).get(document)) throw_malformed(path, text, error);
  const auto playlists = Fields(path, {}, document).require<dom::array>("playlists", "an array");
  const double step = (end - begin) / static_cast<double>(std::max<size_t>(1, playlists.size()));
  Place place;
  std::vector<TrackRow> tracks;
  for (const dom::element element : playlists) {
    ++place.playlist;
    place.track = -1;
    place.pid = {};
    const std::string key =
        std::to_string(Fields(path, place, element).require<int64_t>("pid", "an integer"));
    place.pid = key;
    const Fields playlist(path, place, element);
    tracks.clear();
    for (const dom::element track : playlist.require<dom::array>("tracks", "an array")) {
      place.track = std::ssize(tracks);
      tracks.push_back(track_of(Fields(path, place, track)));
    }
    sink({.key = key,
          .title = playlist.require<std::string_view>("name", "a string"),
          .tracks = tracks,
          .modified_at = playlist.optional<int64_t>("modified_at", "an integer"),
          .file = path,
          .fraction = begin + step * static_cast<double>(place.playlist + 1)});
  }
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      size_t i_end = i, j_end = j;
      while (i_end < a.size() && is_digit(a[i_end])) ++i_end;
      while (j_end < b.size() && is_digit(b[j_end])) ++j_end;
      while (i < i_end - 1 && a[i] == '0') ++i;
      while (j < j_end - 1 && b[j] == '0') ++j;
      if (i_end - i != j_end - j) return i_end - i < j_end - j;
      const int order = a.substr(i, i_end - i).compare(b.substr(j, j_end - j));
      if (order != 0) return order < 0;
      i = i_end;
      j = j_end;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

std::vector<std::filesystem::path> mpd_slices(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) {
    throw DataError({folder.string(), "",
                     std::filesystem::exists(folder) ? "a file" : "no such folder",
                     "a folder with mpd.slice.*.json", ""});
  }
  std::vector<std::filesystem::path> slices;
  for (const auto& where : {folder, folder / "data"}) {
    if (!slices.empty() || !std::filesystem::is_directory(where)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(where)) {
      if (is_slice(entry.path().filename().string())) slices.push_back(entry.path());
    }
  }
  if (slices.empty()) {
    throw DataError({folder.string(), "", "no mpd.slice.*.json", "slices of the dataset", ""});
  }
  std::ranges::sort(slices, [](const auto& a, const auto& b) {
    return natural_less(a.filename().string(), b.filename().string());
  });
  return slices;
}

void read_mpd(const std::filesystem::path& folder, const PlaylistSink& sink) {
  const std::vector<std::filesystem::path> slices = mpd_slices(folder);
  dom::parser parser;
  const auto num_slices = static_cast<double>(slices.size());
  for (size_t i = 0; i < slices.size(); ++i) {
    const auto before = static_cast<double>(i);
    read_slice(slices[i], before / num_slices, (before + 1) / num_slices, &parser, sink);
  }
}

}  // namespace tutti::data
