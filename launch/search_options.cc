#include "launch/search_options.h"

#include <cmath>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/option_checks.h"

namespace tutti::launch {

void SearchOptions::declare(Options& options) {
  options.add("beam", &beam, "partial IDs that are followed; at least k, a multiple of --groups")
      .add("groups", &groups,
           "groups of beams that avoid each other's tokens (diverse beam search; 30 is usual); 1: "
           "ordinary beams")
      .add("diversity", &diversity,
           "with groups: what a token costs, in nats, for each beam of an earlier group that took "
           "it at this position");
}

void SearchOptions::check() const {
  require_at_least("--beam", beam, 1);
  require_at_least("--groups", groups, 1);
  if (beam % groups != 0) {
    throw UsageError(Problem{"", "--groups", std::to_string(groups),
                             fmt::format("a divisor of --beam, which is {}", beam), ""});
  }
  if (!std::isfinite(diversity) || diversity < 0) {
    throw UsageError(Problem{"", "--diversity", fmt::format("{}", diversity), "0 or more", ""});
  }
}

std::string SearchOptions::words() const {
  return groups == 1 ? fmt::format("beams {}", beam)
                     : fmt::format("beams {}/{}/{:g}", beam, groups, diversity);
}

nlohmann::json SearchOptions::to_json() const {
  return {{"beam", beam}, {"groups", groups}, {"diversity", groups == 1 ? 0.0 : diversity}};
}

}  // namespace tutti::launch
