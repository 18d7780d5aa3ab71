#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace tutti::data {

// The ways in which byte-level BPE cuts text before it merges. All are known by name: a pattern of
// another syntax library read almost alike would cut almost alike.
enum class SplitStyle {
  kGpt2,    // letters, digits, other signs, each with the blank before it
  kSmollm,  // digits one by one, then as kGpt2
  kLlama3,  // digits by three, contractions in any case, line ends apart
  kQwen2,   // as kLlama3, digits one by one
};

// The "pre_tokenizer" of a tokenizer.json. DataError naming what is none of the known.
SplitStyle split_style_of(const nlohmann::json& pre_tokenizer, const std::string& origin);
// And the other way: what a tokenizer.json says of a style.
nlohmann::json to_pre_tokenizer(SplitStyle style);

// Cuts text into the words that are merged apart (PCRE2). Every byte is in one of them.
class PreSplit {
 public:
  explicit PreSplit(SplitStyle style);
  ~PreSplit();
  PreSplit(PreSplit&&) noexcept;
  PreSplit& operator=(PreSplit&&) noexcept;

  // `text`: valid UTF-8. DataError when PCRE2 gives up on it.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::data
