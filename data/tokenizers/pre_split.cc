#include "data/tokenizers/pre_split.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

using nlohmann::json;

// The patterns as models' tokenizer.json files have them (GPT-2's is built into "ByteLevel").
constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::array kStyles = {SplitStyle::kGpt2, SplitStyle::kSmollm, SplitStyle::kLlama3,
                                SplitStyle::kQwen2};

const char* pattern_of(SplitStyle style) {
  switch (style) {
    case SplitStyle::kLlama3:
      return kLlama3Pattern;
    case SplitStyle::kQwen2:
      return kQwen2Pattern;
    case SplitStyle::kGpt2:
    case SplitStyle::kSmollm:
      break;
  }
  return kGpt2Pattern;
}

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

// Fields that do not change ids, or that older files leave out, in one form.
json canonical(json step) {
  if (!step.is_object()) return step;
  if (step.contains("pretokenizers") && step["pretokenizers"].is_array()) {
    for (json& inner : step["pretokenizers"]) inner = canonical(std::move(inner));
    if (step["pretokenizers"].size() == 1) return step["pretokenizers"][0];
  }
  const json type = step.value("type", json());
  if (type == "ByteLevel") {
    step["trim_offsets"] = true;
    if (!step.contains("use_regex")) step["use_regex"] = true;
  }
  if (type == "Split" && !step.contains("invert")) step["invert"] = false;
  return step;
}

// PCRE2 also counts U+180E among the blanks, which Unicode no longer does.
std::string with_unicode_blanks(std::string pattern) {
  for (size_t at = 0; (at = pattern.find('\\', at)) != std::string::npos; at += 2) {
    if (pattern[at + 1] == 's') pattern.replace(at, 2, "\\p{White_Space}");
    if (pattern[at + 1] == 'S') pattern.replace(at, 2, "\\P{White_Space}");
  }
  return pattern;
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;

Code compile(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr));
  TUTTI_CHECK(code != nullptr, fmt::format("PCRE2 error {} at {} of {}", error, at, pattern));
  return code;
}

}  // namespace

json to_pre_tokenizer(SplitStyle style) {
  if (style == SplitStyle::kGpt2) return byte_level(true);
  json steps = json::array();
  if (style == SplitStyle::kSmollm) {
    steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
    steps.push_back(byte_level(true));
  } else {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern_of(style)}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
    steps.push_back(byte_level(false));
  }
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

SplitStyle split_style_of(const json& pre_tokenizer, const std::string& origin) {
  constexpr size_t kLongest = 300;  // a message is one line
  const json found = canonical(pre_tokenizer);
  for (const SplitStyle style : kStyles) {
    if (found == to_pre_tokenizer(style)) return style;
  }
  std::string text = pre_tokenizer.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  throw DataError(Problem{.file = origin,
                          .place = "field 'pre_tokenizer'",
                          .found = text,
                          .expected = "that of GPT-2, SmolLM2, Llama 3 or Qwen2",
                          .cure = "choose a base with one of these tokenizers"});
}

struct PreSplit::Impl {
  Code pattern, digits;  // digits: null unless they stand alone
  std::unique_ptr<pcre2_match_data, FreeMatch> make_match() const {
    return std::unique_ptr<pcre2_match_data, FreeMatch>(pcre2_match_data_create(1, nullptr));
  }

  // The end of the match that starts at or behind `from`: [first, last), or nothing.
  bool find(const Code& code, std::string_view text, size_t from, pcre2_match_data* match,
            size_t* first, size_t* last) const {
    const int found = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), from, PCRE2_NO_UTF_CHECK, match, nullptr);
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) {
      throw DataError(fmt::format("cannot split a text of {} bytes into words: PCRE2 error {}",
                                  text.size(), found));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
    *first = range[0];
    *last = range[1];
    return true;
  }
};

PreSplit::PreSplit(SplitStyle style) : impl_(std::make_unique<Impl>()) {
  impl_->pattern = compile(with_unicode_blanks(pattern_of(style)));
  if (style == SplitStyle::kSmollm) impl_->digits = compile(R"(\p{N})");
}
PreSplit::~PreSplit() = default;
PreSplit::PreSplit(PreSplit&&) noexcept = default;
PreSplit& PreSplit::operator=(PreSplit&&) noexcept = default;

std::vector<std::string_view> PreSplit::split(std::string_view text) const {
  const auto match = impl_->make_match();
  std::vector<std::string_view> words;
  // All matches of a part and what lies between them.
  const auto split_part = [&](const Code& code, std::string_view part, auto&& add) {
    size_t end = 0, first = 0, last = 0;
    while (end < part.size() && impl_->find(code, part, end, match.get(), &first, &last)) {
      if (first > end) add(part.substr(end, first - end), false);
      add(part.substr(first, last - first), true);
      end = last;
    }
    if (end < part.size()) add(part.substr(end), false);
  };
  const auto add_words = [&](std::string_view part) {
    split_part(impl_->pattern, part, [&](std::string_view word, bool) { words.push_back(word); });
  };
  if (impl_->digits == nullptr) {
    add_words(text);
  } else {
    split_part(impl_->digits, text, [&](std::string_view part, bool) { add_words(part); });
  }
  return words;
}

}  // namespace tutti::data
