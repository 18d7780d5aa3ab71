#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tutti::data {

// What a listener would write for a tag: "mood/theme:relaxing" -> "relaxing", "chill", "laid back",
// "unwind". The first phrase is the tag's own name in plain words ("genre:punkrock" -> "punk
// rock"). A tag that the table does not know is spelled from its name. Never empty.
std::vector<std::string> phrases_of_tag(std::string_view tag);
std::string plain_words_of_tag(std::string_view tag);

// The tags that the table knows, sorted: those of the bundled catalogue.
std::vector<std::string_view> known_tags();

// Where a tag stands among others: moods before genres before instruments ("dark electronic
// piano"). Tags of other forms count as genres.
enum class TagKind { kMood = 0, kGenre = 1, kInstrument = 2 };
TagKind kind_of_tag(std::string_view tag);

// The part after the last colon, separators turned into blanks, lower case.
std::string words_in_tag_name(std::string_view tag);

}  // namespace tutti::data
