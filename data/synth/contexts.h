#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/string_table.h"

namespace tutti::data {

// An occasion that listeners put into titles, and the tags that its playlists lean to.
struct Context {
  std::string_view name;
  std::span<const std::string_view> before;  // stand alone or before other words: "late night jazz"
  std::span<const std::string_view> after;   // stand after other words: "piano for running"
  std::span<const std::string_view> tags;    // full tag names; unknown ones do not matter
  std::string_view emoji;
};
std::span<const Context> all_contexts();

// The rows of each context's tags in a table of tag names, [contexts]; unknown tags are left out.
std::vector<std::vector<int32_t>> rows_of_context_tags(const StringTable& tag_names);

// Titles that say nothing of the music: "my playlist", "favs", first names, months of a year.
std::span<const std::string_view> vague_titles();
std::span<const std::string_view> first_names();
std::span<const std::string_view> seasons_and_months();

}  // namespace tutti::data
