#include "launch/trained_system.h"

#include <utility>

#include "checkpoints/softmax.h"
#include "dist/runtime/artefact.h"

namespace tutti::launch {

trainer::GenerativeRanker TrainedSystem::ranker(const SearchOptions& search) const {
  return {*model.model,
          model.tokenizer,
          ids.table,
          trie,
          {.beam = search.beam,
           .groups = search.groups,
           .diversity = search.groups > 1 ? search.diversity : 0.0,
           .softmax = checkpoints::softmax_of(model.state, model.path)}};
}

TrainedSystem open_trained_system(const std::string& dataset_path, const std::string& ids_path,
                                  const std::string& run_path) {
  data::Dataset dataset = data::Dataset::open(dataset_path);
  ids::LoadedIdTable ids = ids::read_id_table(ids_path);
  require_made_from(ids_path, ids.manifest, "dataset", dataset.manifest());
  trainer::LoadedModel model = trainer::load_model(run_path, ids.manifest);
  require_made_from(model.path, model.manifest, "dataset", dataset.manifest());
  ids::Trie trie = ids::build_trie(ids.table);
  return {std::move(dataset), std::move(ids), std::move(trie), std::move(model)};
}

}  // namespace tutti::launch
