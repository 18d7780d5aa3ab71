#include "launch/report/model_card.h"

#include <algorithm>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "launch/progress.h"
#include "launch/report/sections.h"

namespace tutti::launch {
namespace {

bool is_simulated(const ReportInputs& inputs) {
  return (inputs.dataset && inputs.dataset->manifest.config.value("simulated", false)) ||
         std::any_of(inputs.scores.begin(), inputs.scores.end(),
                     [](const Scores& scores) { return scores.simulated; });
}

std::string data_words(const ReportInputs& inputs) {
  std::string text =
      is_simulated(inputs) ? "**The playlists are SIMULATED: no listener made them.**\n\n" : "";
  if (!inputs.dataset) {
    return text +
           (inputs.scores.empty()
                ? "Not told: give `tutti report` the dataset.\n"
                : fmt::format("Dataset {}. Give `tutti report` the dataset for its counts.\n",
                              inputs.scores.front().dataset_hash.substr(0, 12)));
  }
  const Manifest& manifest = inputs.dataset->manifest;
  text += fmt::format("Dataset {}.\n\n", manifest.short_hash());
  Table rows{{"", "count"}};
  for (const auto& [key, value] : manifest.counts.items()) {
    if (value.is_number_integer()) rows.push_back({key, count_words(value.get<int64_t>())});
  }
  text += markdown_table(rows);
  const auto cleaning = manifest.counts.find("cleaning");
  if (cleaning == manifest.counts.end() || !cleaning->is_object()) return text;
  Table cleaned{{"cleaning", "count"}};
  for (const auto& [key, value] : cleaning->items()) {
    if (value.is_number_integer() && value != 0) {
      cleaned.push_back({key, count_words(value.get<int64_t>())});
    }
  }
  return text + "\n" + markdown_table(cleaned);
}

// The resolved options, without those that say only where and how wide it ran.
std::string recipe_of(const RunLog& run) {
  constexpr std::string_view kPlaces[] = {"dataset", "ids",       "out",
                                          "resume",  "overwrite", "threads"};
  std::istringstream config(run.config);
  std::string text, line;
  while (std::getline(config, line)) {
    const std::string key = line.substr(0, line.find(' '));
    if (std::find(std::begin(kPlaces), std::end(kPlaces), key) == std::end(kPlaces)) {
      text += line + "\n";
    }
  }
  return text;
}

std::string training_words(const ReportInputs& inputs) {
  if (inputs.runs.empty()) return "Not told: give `tutti report` the run folder.\n";
  std::string text;
  for (const auto& run : inputs.runs) {
    text += fmt::format("### {}\n\n", markdown_text(run.name));
    if (run.num_parameters > 0) {
      text += fmt::format("{} parameters. ", count_words(run.num_parameters));
    }
    if (!run.steps.empty()) {
      text += fmt::format("{} steps in {}. ", count_words(run.steps.back().step),
                          duration_words(run.steps.back().seconds));
    }
    text += fmt::format(
        "Made from dataset {} and ID table {}.\n\n```ini\n{}```\n\n",
        run.dataset_hash.empty() ? "(no checkpoint tells)" : run.dataset_hash.substr(0, 12),
        run.id_table_hash.empty() ? "(no checkpoint tells)" : run.id_table_hash.substr(0, 12),
        recipe_of(run));
  }
  return text;
}

std::string metrics_words(const ReportInputs& inputs) {
  if (inputs.scores.empty()) return "Not told: give `tutti report` the scores.\n";
  const Scores& scores = inputs.scores.front();
  Table rows{{"queries", "system", scores.headline() + " [95 %]", "best baseline",
              "its " + scores.headline()}};
  for (const auto& block : scores.blocks) {
    if (block.empty()) continue;
    const auto* baseline = block.best_baseline(scores.headline());
    rows.push_back({block.name, block.subject().name,
                    interval_words(*block.subject().metric(scores.headline())),
                    baseline ? baseline->name : "",
                    baseline ? interval_words(*baseline->metric(scores.headline())) : ""});
  }
  return markdown_table(rows) +
         fmt::format("\nCheckpoint {} (step {}), decoded and asked with `{}`.\n",
                     scores.checkpoint_hash.empty() ? "none: a run file"
                                                    : scores.checkpoint_hash.substr(0, 12),
                     scores.step, scores.options.dump());
}

std::string limits_words(const ReportInputs& inputs) {
  std::vector<std::string> limits;
  if (is_simulated(inputs)) {
    limits.emplace_back(
        "The playlists are simulated. The figures check the program; they say nothing of "
        "listeners.");
  }
  if (!inputs.scores.empty()) {
    const Scores& scores = inputs.scores.front();
    for (const auto& block : scores.blocks) {
      const auto* baseline = block.empty() ? nullptr : block.best_baseline(scores.headline());
      if (baseline && baseline == &block.best_system()) {
        limits.push_back(fmt::format("On {} {} finds more.", block.name, baseline->name));
      }
    }
  }
  limits.emplace_back(
      "A track counts as right only when the held-out playlist holds it; other good answers count "
      "as wrong, so that absolute figures are low.");
  limits.emplace_back(
      "Tracks that were not in the dataset cannot be recommended before the IDs are built again.");
  limits.emplace_back(
      "It repeats what its playlists prefer: popular tracks, their languages and their time.");
  limits.emplace_back(
      "Not measured here: what listeners think of the lists, and fairness to artists.");
  std::string text;
  for (const auto& limit : limits) text += "- " + markdown_text(limit) + "\n";
  return text;
}

}  // namespace

std::string model_card(const ReportInputs& inputs) {
  std::string name = inputs.runs.empty() ? "model" : inputs.runs.front().name;
  return fmt::format(
      "---\nlibrary_name: tutti\ntags:\n- generative-retrieval\n- recommendation\n{}---\n\n"
      "# Model card: {}\n\nA sequence-to-sequence model that answers a playlist's title, or words "
      "of that kind, with the IDs of tracks of one catalogue.\n\n## Data\n\n{}\n## Training\n\n{}\n"
      "## Metrics\n\n{}\n## Limits\n\n{}",
      is_simulated(inputs) ? "- simulated-data\n" : "", markdown_text(name), data_words(inputs),
      training_words(inputs), metrics_words(inputs), limits_words(inputs));
}

}  // namespace tutti::launch
