#pragma once

#include <cstdint>
#include <vector>

#include "data/string_table.h"
#include "dist/runtime/rng.h"

namespace tutti::data {

// What titles are composed from: tags that go together in some catalogue.
class ThemeSource {
 public:
  virtual ~ThemeSource() = default;

  virtual const StringTable& tag_names() const = 0;
  // One to `most` distinct tags that tracks carry together; none where tracks carry no tags.
  virtual std::vector<int32_t> some_theme(int64_t most, Rng& rng) const = 0;
};

}  // namespace tutti::data
