#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tutti::launch {

// A pretrained model that installs as a Python wheel, by a short name for --base.
struct KnownBase {
  const char* name;
  const char* requirement;  // what pip installs
  const char* path;         // of the model below a site-packages folder
  const char* meaning;
};
std::span<const KnownBase> known_bases();

// Where --base points: a folder or file that is there, or a known name whose wheel is installed.
// Looked for in this order: bases/ of the cache (TUTTI_CACHE, else $XDG_CACHE_HOME/tutti, else
// ~/.cache/tutti), the virtual environments of the cache, $VIRTUAL_ENV, the environment of
// $TUTTI_CONFORMANCE_PYTHON. UsageError naming the option: with the command that installs it for a
// known name, with the known names for any other.
std::filesystem::path find_base(const std::string& base, const char* option = "--base");

}  // namespace tutti::launch
