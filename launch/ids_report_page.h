#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "ids/path_report.h"
#include "ids/reconstruction_report.h"

namespace tutti::launch {

// What `tutti ids report` found, and about what.
struct IdsReport {
  std::string id_table_hash, dataset_hash, embeddings_hash;  // empty: not given
  std::string space, norm;
  ids::PathReport paths;
  std::optional<ids::ReconstructionReport> reconstruction;  // none without embeddings
};

nlohmann::json to_json(const IdsReport& report);
std::string to_text(const IdsReport& report);  // for the terminal
// One page that needs nothing else: tables and plots, legible printed and in dark mode.
std::string to_html(const IdsReport& report);

}  // namespace tutti::launch
