#include "launch/evaluate/held_out.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"

namespace tutti::launch {

void carry_held_out(const Manifest& vectors, nlohmann::json* config) {
  const std::string said = vectors.config.value(kHeldOut, "");
  if (said.empty() || config->value(kHeldOut, "") == kHeldOutUnknown) return;
  (*config)[kHeldOut] = said;
}

std::string held_out_note(const std::string& path, const Manifest& artefact, bool allow_unknown) {
  const std::string said = artefact.config.value(kHeldOut, "");
  if (said.empty()) return "";
  if (said == kHeldOutUnseen) {
    return fmt::format("{}: imported vectors, declared not to know the held-out playlists.", path);
  }
  if (!allow_unknown) {
    throw DataError(Problem{
        path, "", "imported vectors of which nobody said whether they saw held-out playlists",
        "vectors that did not",
        "declare it with `tutti embed import --held-out unseen`, or evaluate with --allow-unknown "
        "and have it written into the result"});
  }
  return fmt::format(
      "NOT CHECKED: {} rests on imported vectors that may have seen the held-out playlists.", path);
}

}  // namespace tutti::launch
