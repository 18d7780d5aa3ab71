#pragma once

#include <filesystem>

namespace tutti::conformance {

// Writes random lists with many equal scores as TREC files (ours.run, our.qrels) into the folder,
// and our metrics of them (metrics.json, name -> mean over queries).
void write_evaluation_case(const std::filesystem::path& folder);

// The metrics of a run file of another writer on the queries of write_evaluation_case, as JSON on
// standard output.
void print_metrics_of_run(const std::filesystem::path& run);

}  // namespace tutti::conformance
