#pragma once

#include <string_view>

namespace tutti::data {

// Whether a normalisation table of SentencePiece ("precompiled_charsmap": the size of a
// double-array trie in bytes, the trie, texts that its leaves point at) can be followed without
// leaving it, whatever text comes. The library follows it unchecked.
bool is_sound_charsmap(std::string_view table);

}  // namespace tutti::data
