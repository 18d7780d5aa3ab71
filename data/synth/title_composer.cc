#include "data/synth/title_composer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string_view>

#include "data/normalizer.h"
#include "data/synth/contexts.h"
#include "data/synth/tag_words.h"

namespace tutti::data {
namespace {

// A form and how often it is used. '#': the words of the next tag; '<': words of the occasion that
// come before others; '>': words that come after.
struct Form {
  std::string_view text;
  int weight;
};

constexpr Form kOneTag[] = {
    {"#", 40},           {"# music", 7},       {"# songs", 6},
    {"# tracks", 2},     {"# playlist", 4},    {"# mix", 4},
    {"# vibes", 5},      {"# jams", 4},        {"best of #", 2},
    {"all things #", 1}, {"my # playlist", 2}, {"pure #", 1},
    {"# favorites", 2},  {"just #", 1},        {"a little #", 1},
    {"# forever", 1},    {"nothing but #", 1}, {"give me #", 1},
};
constexpr Form kTwoTags[] = {
    {"# #", 40},
    {"# and #", 8},
    {"# # music", 6},
    {"# # songs", 4},
    {"# with #", 6},
    {"# # mix", 4},
    {"# # vibes", 4},
    {"songs with # and #", 2},
    {"# # playlist", 3},
    {"# meets #", 3},
    {"# music with a bit of #", 2},
    {"best # #", 2},
};
constexpr Form kThreeTags[] = {
    {"# # #", 30},      {"# # with #", 12},      {"# # and #", 10},           {"# and # with #", 5},
    {"# # # music", 5}, {"# # music with #", 6}, {"songs with # # and #", 3}, {"# # # mix", 3},
};
constexpr Form kOccasion[] = {
    {"<", 40},      {"< music", 6}, {"< songs", 5},    {"< playlist", 5},
    {"< mix", 4},   {"< vibes", 4}, {"< jams", 3},     {"songs >", 8},
    {"music >", 8}, {"stuff >", 2}, {"playlist >", 2}, {"my < mix", 1},
};
constexpr Form kOccasionOneTag[] = {
    {"< #", 20},           {"# >", 16},    {"# <", 10},     {"# music >", 6}, {"# songs >", 6},
    {"songs > with #", 3}, {"< # mix", 2}, {"< with #", 3}, {"best # >", 1},
};
constexpr Form kOccasionTwoTags[] = {
    {"< # #", 10},     {"# # <", 10},    {"# # >", 10},
    {"# > with #", 4}, {"# and # >", 4}, {"songs > with # and #", 3},
    {"< # with #", 4},
};

constexpr int kFirstYear = 2010, kLastYear = 2017;  // when MPD's playlists were made

int64_t pick(std::span<const int> weights, Rng& rng) {
  int64_t total = 0;
  for (const int w : weights) total += w;
  auto at = static_cast<int64_t>(rng.below(total));
  int64_t i = 0;
  while (at >= weights[i]) at -= weights[i++];
  return i;
}

std::string_view pick_form(std::span<const Form> forms, Rng& rng) {
  std::vector<int> weights;
  for (const Form& form : forms) weights.push_back(form.weight);
  return forms[pick(weights, rng)].text;
}

std::string_view pick_one(std::span<const std::string_view> words, Rng& rng) {
  return words[rng.below(words.size())];
}

// The plain name more often than its synonyms.
std::string pick_phrase(const std::vector<std::string>& phrases, Rng& rng) {
  constexpr std::array<int, 4> kWeights = {5, 3, 2, 2};
  return phrases[pick(std::span(kWeights).first(phrases.size()), rng)];
}

// "classical music" + "# music" should not say "music music".
std::string without_repeats(const std::string& text) {
  std::string out;
  std::string_view last;
  for (const std::string_view word : words_of(text)) {
    if (word == last) continue;
    if (!out.empty()) out.push_back(' ');
    out.append(word);
    last = word;
  }
  return out;
}

std::string fill(std::string_view form, const std::vector<std::string>& tags,
                 const Context* context, Rng& rng) {
  std::string text;
  size_t next_tag = 0;
  for (const char c : form) {
    if (c == '#') {
      text += tags[next_tag++];
    } else if (c == '<') {
      text += pick_one(context->before, rng);
    } else if (c == '>') {
      text += pick_one(context->after, rng);
    } else {
      text.push_back(c);
    }
  }
  return without_repeats(text);
}

// Moods, then genres, then instruments; sometimes in no order.
std::vector<std::string> say_tags(const ThemeSource& themes, std::vector<int32_t> tags, Rng& rng) {
  const auto& names = themes.tag_names();
  if (rng.uniform() < 0.85) {
    std::stable_sort(tags.begin(), tags.end(), [&](int32_t a, int32_t b) {
      return kind_of_tag(names[a]) < kind_of_tag(names[b]);
    });
  }
  std::vector<std::string> words;
  words.reserve(tags.size());
  for (const int32_t tag : tags) words.push_back(pick_phrase(phrases_of_tag(names[tag]), rng));
  return words;
}

std::string vague_title(Rng& rng) {
  const double u = rng.uniform();
  std::string year =
      std::to_string(kFirstYear + static_cast<int>(rng.below(kLastYear - kFirstYear + 1)));
  if (u < 0.50) return std::string(pick_one(vague_titles(), rng));
  if (u < 0.75) return std::string(pick_one(seasons_and_months(), rng)) + " " + year;
  if (u < 0.85) return std::string(pick_one(first_names(), rng));
  if (u < 0.90) return std::string(pick_one(first_names(), rng)) + "s mix";
  if (u < 0.96) return year;
  constexpr std::string_view kSigns[] = {"\U0001F525", "\u2764", "\U0001F3B5", "\U0001F60A",
                                         "\U0001F680"};
  return std::string(pick_one(kSigns, rng));
}

ComposedTitle occasion_title(const ThemeSource& themes, Rng& rng) {
  ComposedTitle title;
  title.meaning.context = static_cast<int32_t>(rng.below(all_contexts().size()));
  const Context& context = all_contexts()[title.meaning.context];
  const double u = rng.uniform();
  if (u >= 0.4) title.meaning.tags = themes.some_theme(u < 0.8 ? 1 : 2, rng);
  const auto words = say_tags(themes, title.meaning.tags, rng);
  const std::span<const Form> forms = words.empty()       ? std::span<const Form>(kOccasion)
                                      : words.size() == 1 ? std::span<const Form>(kOccasionOneTag)
                                                          : std::span<const Form>(kOccasionTwoTags);
  title.text = fill(pick_form(forms, rng), words, &context, rng);
  if (rng.uniform() < 0.05) title.text.append(" ").append(context.emoji);
  return title;
}

ComposedTitle theme_title(const ThemeSource& themes, const SynthOptions& options, Rng& rng) {
  const double u = rng.uniform();
  const int64_t most = u < options.three_tags                      ? 3
                       : u < options.three_tags + options.two_tags ? 2
                                                                   : 1;
  ComposedTitle title;
  title.meaning.tags = themes.some_theme(most, rng);
  if (title.meaning.tags.empty()) return {vague_title(rng), {}};
  const auto words = say_tags(themes, title.meaning.tags, rng);
  const std::span<const Form> forms = words.size() == 1   ? std::span<const Form>(kOneTag)
                                      : words.size() == 2 ? std::span<const Form>(kTwoTags)
                                                          : std::span<const Form>(kThreeTags);
  title.text = fill(pick_form(forms, rng), words, nullptr, rng);
  return title;
}

}  // namespace

ComposedTitle compose_title(const ThemeSource& themes, const SynthOptions& options, Rng& rng) {
  const double u = rng.uniform();
  if (u < options.vague_titles) return {vague_title(rng), {}};
  if (u < options.vague_titles + options.context_titles) return occasion_title(themes, rng);
  return theme_title(themes, options, rng);
}

std::string decorate_title(const std::string& text, Rng& rng) {
  std::string out = text;
  const auto upper = [](char& c) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  };
  const double letter_case = rng.uniform();
  if (letter_case < 0.30) {  // Title Case
    for (size_t i = 0; i < out.size(); ++i) {
      if (i == 0 || out[i - 1] == ' ') upper(out[i]);
    }
  } else if (letter_case < 0.50) {  // Sentence case
    upper(out[0]);
  } else if (letter_case < 0.56) {
    for (char& c : out) upper(c);
  }
  constexpr std::string_view kAround[][2] = {{"", "!"},    {"", "!!"},   {"", "..."}, {"~", "~"},
                                             {"* ", " *"}, {"\"", "\""}, {"", " :)"}, {"(", ")"},
                                             {"", " "},    {"- ", " -"}};
  if (rng.uniform() < 0.07) {
    const auto& around = kAround[rng.below(std::size(kAround))];
    out = std::string(around[0]) + out + std::string(around[1]);
  }
  return out;
}

}  // namespace tutti::data
