#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "ids/embeddings.h"
#include "ids/rebuild.h"
#include "ids/row_budget.h"
#include "launch/options.h"

namespace tutti::launch {

// What `ids rebuild` and `ids drift` share: an ID table, the catalogue that it is of, the catalogue
// that it should follow, and vectors of the latter.
struct ChangeArgs {
  std::string from, old_dataset, dataset, embeddings, memory = "0";
  int beam = 0;  // 0: as the table was built
  int threads = 1;
  double tolerance = 0.25;
};
void add_change_options(Options& options, ChangeArgs& a);

class CatalogueChange {
 public:
  // Opens everything and checks that it belongs together: DataError that names what does not. All
  // ranks; each reads its own vectors. Collective.
  CatalogueChange(const ChangeArgs& a, Communicator& comm);

  ids::RebuiltIds rebuild(const ids::RebuildOptions& options, Communicator& comm);
  ids::RebuildOptions options(ids::RebuildTier tier) const;

  // Dataset and vectors are those that the table was made of.
  bool is_none() const;
  // Share of the new dataset's training entries that are of tracks without an ID; rank 0.
  double unknown_share() const;
  // What the old table's report says; null when it has none.
  const nlohmann::json& old_report() const { return old_report_; }

  const ids::LoadedIdTable& old() const { return old_; }
  const ids::Codebooks& old_codebooks() const { return old_codebooks_; }
  const ids::CatalogChange& change() const { return change_; }
  const data::Dataset& dataset() const { return dataset_; }
  const ids::EmbeddingsFile& embeddings() const { return file_; }

 private:
  const ChangeArgs& args_;
  ids::LoadedIdTable old_;
  ids::Codebooks old_codebooks_;
  data::Dataset old_dataset_, dataset_;
  ids::EmbeddingsFile file_;
  data::StringTable old_keys_;
  ids::TrackOrder tracks_;
  ids::CatalogChange change_;
  nlohmann::json old_report_;
  ids::BudgetedRows rows_;
};

// Tables for the terminal: what became of the tracks, and what each tolerance would do.
std::string describe(const CatalogueChange& change);
std::string describe(const std::vector<ids::ToleranceOutcome>& outcomes);

}  // namespace tutti::launch
