#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "launch/options.h"

namespace tutti::launch {

// --beam, --groups and --diversity: how a model's lists are searched, alike in every command that
// ranks.
struct SearchOptions {
  int beam = 60, groups = 1;
  double diversity = 0.25;

  void declare(Options& options);
  void check() const;  // UsageError

  // Their part of a signature: "beams 60/30/0.25", or "beams 60" where there are no groups.
  std::string words() const;
  nlohmann::json to_json() const;
};

}  // namespace tutti::launch
