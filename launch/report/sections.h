#pragma once

#include "launch/report/document.h"
#include "launch/report/inputs.h"

// The sections of a report, each from what it needs. One without its input has no parts.
namespace tutti::launch {

// From scores. The first file is told in full; further ones are other checkpoints or ways to
// decode.
ReportSection verdict_section(const ReportInputs& inputs);  // a baseline that wins is named first
ReportSection systems_section(const Scores& scores);
ReportSection cutoffs_section(const Scores& scores);
ReportSection strata_section(const Scores& scores);  // bars of the headline, where scores have them
ReportSection evaluations_section(const ReportInputs& inputs);  // when there are several files
// hits@k against beam width, against the diversity penalty, and against distinct artists.
ReportSection decoding_section(const ReportInputs& inputs);
CsvFile systems_csv(const ReportInputs& inputs);
CsvFile strata_csv(const Scores& scores);

// From runs.
ReportSection learning_section(const std::vector<RunLog>& runs);
CsvFile learning_csv(const std::vector<RunLog>& runs);

ReportSection examples_section(const std::vector<ExamplePrompt>& examples);
ReportSection ids_section(const IdsReport& report);
// What the report would say with further files, and which.
ReportSection missing_section(const ReportInputs& inputs);

ReportDocument make_report(const ReportInputs& inputs);

// "0.658 [0.525, 0.816]".
std::string interval_words(const ScoredMetric& metric);

}  // namespace tutti::launch
