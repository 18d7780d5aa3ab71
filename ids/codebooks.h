#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tutti::ids {

// What is done to the length of a vector before it is quantized. The length of a CF vector mostly
// says how popular the track is, its direction what it sounds like.
enum class NormHandling {
  kRaw,     // kept
  kUnit,    // x / |x|
  kDamped,  // x / sqrt(|x|)
};
const char* name_of(NormHandling norm);               // "raw", "unit", "damped"
NormHandling norm_handling(const std::string& name);  // UsageError naming the choices

// K vectors; a code is a row.
struct Codebook {
  int64_t num_codes = 0;      // K
  int64_t dim = 0;            // D
  std::vector<float> values;  // [K, D]
  // [K], added to a row's squared distance from a code, so that crowded codes hold fewer rows
  // (KMeansOptions::balance). Empty: none.
  std::vector<float> prices{};

  float price(int64_t code) const { return prices.empty() ? 0 : prices[code]; }
  std::span<const float> row(int64_t code) const {
    return std::span(values).subspan(code * dim, dim);
  }
};

// What decodes codes: x' = scaled(x) - mean is close to levels[0][c0] + levels[1][c1] + ...
// Without atoms the codes are those of a residual quantizer: the path whose sum is nearest. With
// atoms (dictionary.h) they are the atoms that a matching pursuit takes, the heaviest first: code
// 2 m + s is atom m with a weight above (s = 0) or below (s = 1) zero.
struct Codebooks {
  NormHandling norm = NormHandling::kRaw;
  std::vector<float> mean;  // [D]
  std::vector<Codebook> levels;
  Codebook atoms{};  // [M, D] of length 1; levels have 2 M codes each

  int64_t dim() const { return static_cast<int64_t>(mean.size()); }
  int64_t num_levels() const { return static_cast<int64_t>(levels.size()); }
  int64_t num_codes() const;  // sum over levels
};

}  // namespace tutti::ids
