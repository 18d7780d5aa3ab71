#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/synth/options.h"
#include "data/synth/theme_source.h"

namespace tutti::data {

// What a title is about. No tags and no context: it says nothing of the music.
struct TitleMeaning {
  std::vector<int32_t> tags;  // at most 3, all said in the title
  int32_t context = -1;       // row of all_contexts()
  bool operator==(const TitleMeaning&) const = default;
};

struct ComposedTitle {
  std::string text;  // lower case, no decoration
  TitleMeaning meaning;
};

// One title as a listener would make it up: the tags that some popular track really carries, or an
// occasion, said in one of several ways and put into one of several forms.
ComposedTitle compose_title(const ThemeSource& themes, const SynthOptions& options, Rng& rng);

// The title as someone typed it: letter case, punctuation. Its normalised form stays.
std::string decorate_title(const std::string& text, Rng& rng);

}  // namespace tutti::data
