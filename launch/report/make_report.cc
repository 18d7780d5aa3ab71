#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "launch/ids_report_page.h"
#include "launch/report/sections.h"
#include "launch/svg_chart.h"

namespace tutti::launch {
namespace {

bool has_content(const ReportSection& section) {
  return !section.parts.empty() || !section.html.empty();
}

// Those of the TREC files, which are as many as was asked for, or those of the scores.
std::vector<ExamplePrompt> examples_of(const ReportInputs& inputs) {
  if (!inputs.examples.empty() || inputs.scores.empty()) return inputs.examples;
  std::vector<ExamplePrompt> examples;
  for (const auto& block : inputs.scores.front().blocks) {
    examples.insert(examples.end(), block.examples.begin(), block.examples.end());
  }
  return examples;
}

}  // namespace

ReportSection examples_section(const std::vector<ExamplePrompt>& examples) {
  ReportSection section{.title = "Example prompts", .parts = {}};
  if (examples.empty()) return section;
  section.parts.emplace_back(
      ReportText{"Evenly spaced over the topics, so that none is picked for its outcome. Marked "
                 "(+): tracks that the playlist holds, or that carry the prompt's tags."});
  for (const auto& example : examples) {
    HtmlTable table;
    table.rows.emplace_back();
    size_t places = 0;
    for (const auto& system : example.systems) {
      const auto hits = std::count(system.is_hit.begin(), system.is_hit.end(), true);
      table.rows[0].push_back(fmt::format("{} ({})", system.name, hits));
      places = std::max(places, system.tracks.size());
    }
    for (size_t place = 0; place < places; ++place) {
      table.rows.emplace_back();
      for (size_t s = 0; s < example.systems.size(); ++s) {
        const auto& system = example.systems[s];
        const bool is_hit = place < system.tracks.size() && system.is_hit[place];
        table.rows.back().push_back(
            place < system.tracks.size() ? (is_hit ? "+ " : "") + system.tracks[place] : "");
        if (is_hit) table.marked.emplace_back(place + 1, s);
      }
    }
    table.is_words = true;
    section.parts.emplace_back(
        ReportTable{fmt::format("\u201c{}\u201d ({}, {} right tracks)", example.prompt,
                                example.block, example.num_relevant),
                    std::move(table)});
  }
  return section;
}

ReportSection ids_section(const IdsReport& report) {
  ReportSection section{.title = "IDs", .parts = {ReportText{origin_words(report)}}};
  for (const auto& [title, html] : ids_report_sections(report)) {
    section.html += "<h3>" + escape_html(title) + "</h3>\n" + html;
  }
  return section;
}

ReportSection missing_section(const ReportInputs& inputs) {
  ReportText missing{"With further arguments it would also hold:", {}};
  if (inputs.scores.empty()) {
    missing.items.emplace_back("the table of systems: the file of tutti evaluate --json");
  }
  if (!inputs.scores.empty() && !has_content(strata_section(inputs.scores.front()))) {
    missing.items.emplace_back(
        "strata of titles and tracks: a file of tutti evaluate --json that has them");
  }
  if (inputs.runs.empty()) {
    missing.items.emplace_back("learning curves: the run folder");
  } else if (std::all_of(inputs.runs.begin(), inputs.runs.end(),
                         [](const RunLog& run) { return run.validations.empty(); })) {
    missing.items.emplace_back(
        "validation hits@10 while learning: a run of tutti train --validate-every N");
  }
  if (!has_content(decoding_section(inputs))) {
    missing.items.emplace_back(
        "hits against beam width and diversity: files of tutti evaluate --json of one checkpoint "
        "with other beams");
  }
  if (examples_of(inputs).empty()) {
    missing.items.emplace_back(
        "example prompts: a file of tutti evaluate --json that has them, or the folder of tutti "
        "evaluate --dump-run and the dataset");
  }
  if (!inputs.ids) missing.items.emplace_back("quality of the IDs: the folder of tutti ids report");
  ReportSection section{.title = "Not in this report", .parts = {}};
  if (!missing.items.empty()) section.parts.emplace_back(std::move(missing));
  return section;
}

ReportDocument make_report(const ReportInputs& inputs) {
  ReportDocument document{.title = "Evaluation report", .sections = {}, .csv_files = {}};
  const auto add = [&document](ReportSection section) {
    if (has_content(section)) document.sections.push_back(std::move(section));
  };
  add(verdict_section(inputs));
  if (!inputs.scores.empty()) {
    add(systems_section(inputs.scores.front()));
    add(cutoffs_section(inputs.scores.front()));
    add(strata_section(inputs.scores.front()));
    add(evaluations_section(inputs));
    add(decoding_section(inputs));
    document.csv_files.push_back(systems_csv(inputs));
    CsvFile strata = strata_csv(inputs.scores.front());
    if (strata.rows.size() > 1) document.csv_files.push_back(std::move(strata));
  }
  add(learning_section(inputs.runs));
  if (!inputs.runs.empty()) document.csv_files.push_back(learning_csv(inputs.runs));
  add(examples_section(examples_of(inputs)));
  if (inputs.ids) add(ids_section(*inputs.ids));
  add(missing_section(inputs));
  return document;
}

}  // namespace tutti::launch
