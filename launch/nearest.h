#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tutti::launch {

// Edits (insert, delete, replace, swap of neighbours) between two words.
int edit_distance(std::string_view a, std::string_view b);

// The candidate that `word` was probably meant to be (at most a third of its letters differ, at
// least two may), or "" when none is near. Ties: the first candidate.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace tutti::launch
