#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "dist/communicator.h"
#include "ids/catalog_ids.h"
#include "launch/options.h"

namespace tutti::launch {

// The part of `tutti ids build` whose IDs need no vectors.
struct CatalogIdArgs {
  std::string strategy = "semantic", vocabulary;
  ids::CatalogIdOptions ids;

  bool is_semantic() const { return strategy == "semantic"; }
};
// All but --strategy.
void declare_catalog_options(Options& options, CatalogIdArgs& a);
// UsageError when the strategy does not exist, or does not go with the other options.
void check(CatalogIdArgs& a, const std::string& embeddings);
// UsageError for an option that is not what it usually is and shapes no IDs of this strategy.
void require_no_other_options(const CatalogIdArgs& a, const nlohmann::json& given,
                              const nlohmann::json& usual);
// Semantic IDs are not shaped by these options.
void erase_catalog_options(nlohmann::json* config);

// Builds and writes the table on rank 0; the others have nothing to do.
void build_catalog_table(const CatalogIdArgs& a, const std::string& dataset, const std::string& out,
                         bool overwrite, Communicator& comm);

}  // namespace tutti::launch
