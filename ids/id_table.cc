#include "ids/id_table.h"

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::ids {

int IdTable::level_of(int32_t token) const {
  for (size_t l = 0; l < levels.size(); ++l) {
    const int32_t offset = token - levels[l].first_token;
    if (offset >= 0 && offset < levels[l].num_tokens) return static_cast<int>(l);
  }
  fail_check("token in [0, num_tokens)", fmt::format("token {} of {}", token, num_tokens()));
}

double IdTable::mean_length() const {
  return num_tracks() == 0 ? 0
                           : static_cast<double>(tokens.size()) / static_cast<double>(num_tracks());
}

std::string IdTable::token_name(int32_t token) const {
  if (token_names.size() > 0) return std::string(token_names[token]);
  const int level = level_of(token);
  const int32_t offset = token - levels[level].first_token;
  if (level + 1 == id_length()) return fmt::format("<S_{}>", offset);
  return fmt::format("<L{}_{}>", level, offset);
}

}  // namespace tutti::ids
