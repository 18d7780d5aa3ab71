#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tutti::trainer {

struct Recommendation {
  int32_t track = 0;  // catalog row
  float score = 0;    // higher is better; only comparable within one list
};

// Anything that turns a title into a ranked list of tracks: the trained model and every baseline.
class Ranker {
 public:
  virtual ~Ranker() = default;
  virtual std::string name() const = 0;
  // result[i]: at most k tracks for titles[i] (raw text), best first, no track twice. A pure
  // function of the title.
  virtual std::vector<std::vector<Recommendation>> rank(std::span<const std::string> titles,
                                                        int k) = 0;
};

}  // namespace tutti::trainer
