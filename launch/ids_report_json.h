#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "ids/path_report.h"
#include "ids/reconstruction_report.h"
#include "ids/uniqueness.h"

namespace tutti::launch {

// What `tutti ids report` found, and about what.
struct IdsReport {
  std::string id_table_hash, dataset_hash, embeddings_hash;  // empty: not given
  std::string space, norm;
  ids::PathReport paths;
  std::optional<ids::ReconstructionReport> reconstruction;  // none without embeddings
};

nlohmann::json to_json(const IdsReport& report);
// How tracks share codes, as every report of IDs says it.
nlohmann::json to_json(const ids::GroupReport& groups);
// The report of such a document; `file`: its name, for errors. DataError naming the place of what
// is missing or of another type.
IdsReport ids_report_of(const nlohmann::json& document, const std::string& file);

}  // namespace tutti::launch
