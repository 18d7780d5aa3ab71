#include "launch/train/part_rates.h"

#include <cmath>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dist/runtime/errors.h"
#include "trainer/models/parameters.h"

namespace tutti::launch {
namespace {

using trainer::ModelPart;

[[noreturn]] void refuse_rate(const std::string& found, const std::string& expected,
                              const std::string& cure = "") {
  throw UsageError(
      Problem{.file = {}, .place = "--rate", .found = found, .expected = expected, .cure = cure});
}

ModelPart part_from_name(const std::string& name, const std::string& word) {
  std::vector<std::string> names;
  for (const ModelPart part : trainer::all_model_parts()) {
    names.push_back(trainer::name_of(part));
    if (name == names.back()) return part;
  }
  refuse_rate(word, fmt::format("PART=FACTOR with {} as PART", fmt::join(names, ", ")));
}

double factor_from(const std::string& text, const std::string& word) {
  size_t read = 0;
  double factor = -1;
  try {
    factor = std::stod(text, &read);
  } catch (const std::logic_error&) {  // no number, or none that fits
  }
  if (read != text.size() || !std::isfinite(factor) || factor < 0) {
    refuse_rate(word, "a factor of 0 or more behind the =");
  }
  return factor;
}

}  // namespace

PartRates part_rates_from_text(const std::string& text) {
  PartRates rates;
  if (text.empty()) return rates;
  std::istringstream words(text + ",");  // a comma at the end leaves an empty word
  for (std::string word; std::getline(words, word, ',');) {
    const size_t equals = word.find('=');
    const ModelPart part = part_from_name(word.substr(0, equals), word);
    const double factor =
        factor_from(equals == std::string::npos ? "" : word.substr(equals + 1), word);
    if (!rates.emplace(part, factor).second) refuse_rate(word, "each part once");
  }
  return rates;
}

std::string to_text(const PartRates& rates) {
  std::vector<std::string> words;
  for (const auto& [part, factor] : rates) {
    words.push_back(fmt::format("{}={:g}", trainer::name_of(part), factor));
  }
  return fmt::format("{}", fmt::join(words, ","));
}

void set_rates(std::vector<trainer::Parameter>& parameters, const PartRates& rates, bool thaws) {
  for (const auto& [part, factor] : rates) {
    const trainer::PartUse use = trainer::set_part_rate(parameters, part, factor);
    if (use == trainer::PartUse::kTrained || (use == trainer::PartUse::kFrozen && thaws)) continue;
    const std::string name = trainer::name_of(part);
    refuse_rate(
        fmt::format("{}={:g}", name, factor),
        use == trainer::PartUse::kAbsent
            ? fmt::format("parts that the model has: there is no {}", name)
            : fmt::format("parts that the run trains: --train freezes {} of this model", name),
        "leave it out");
  }
}

}  // namespace tutti::launch
