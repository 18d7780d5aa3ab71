#include "ids/codebooks.h"

#include "dist/runtime/errors.h"

namespace tutti::ids {

const char* name_of(NormHandling norm) {
  switch (norm) {
    case NormHandling::kRaw:
      return "raw";
    case NormHandling::kUnit:
      return "unit";
    case NormHandling::kDamped:
      return "damped";
  }
  TUTTI_CHECK(false, "a NormHandling of no name");
}

NormHandling norm_handling(const std::string& name) {
  for (auto norm : {NormHandling::kRaw, NormHandling::kUnit, NormHandling::kDamped}) {
    if (name == name_of(norm)) return norm;
  }
  throw UsageError({"", "--norm", "'" + name + "'", "raw, unit or damped", ""});
}

int64_t Codebooks::num_codes() const {
  int64_t sum = 0;
  for (const auto& level : levels) sum += level.num_codes;
  return sum;
}

}  // namespace tutti::ids
