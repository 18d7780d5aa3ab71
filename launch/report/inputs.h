#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dist/runtime/artefact.h"
#include "launch/ids_report_json.h"
#include "launch/report/run_log.h"
#include "launch/report/scores.h"

namespace tutti::launch {

struct DatasetFacts {
  std::string path;
  Manifest manifest;
};

// What a report is made of. Any part may be missing.
struct ReportInputs {
  std::vector<Scores> scores;
  std::vector<RunLog> runs;
  std::optional<IdsReport> ids;
  std::string ids_file;
  std::optional<DatasetFacts> dataset;
  std::vector<std::string> trec_folders;  // of --dump-run
  std::vector<ExamplePrompt> examples;    // filled by read_examples(); empty: those of the scores
};

// Opens every path and tells by what it holds what it is. DataError when one is nothing of ours,
// when two are about different datasets, or an ID report is not about the IDs of the scores (the
// hashes named); UsageError when there are two of what there can be one of.
ReportInputs read_report_inputs(const std::vector<std::string>& paths);

}  // namespace tutti::launch
