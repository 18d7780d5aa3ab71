#include "tests/conformance/base_case.h"

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/export/hf.h"
#include "data/tokenizer.h"
#include "tests/checkpoints/tiny_road.h"
#include "trainer/base_model.h"
#include "trainer/model_io.h"

namespace tutti::conformance {

void write_base_case(const std::filesystem::path& base, const std::filesystem::path& out) {
  constexpr int kNumTracks = 24;
  ids::LoadedIdTable ids{.manifest = {}, .table = checkpoints::tiny_id_table(kNumTracks)};
  ids.manifest.hash = std::string(64, 'a');
  Manifest dataset;
  dataset.hash = std::string(64, 'b');

  const checkpoints::HfT5 source = checkpoints::HfT5::open(base);
  const data::Tokenizer tokenizer = data::Tokenizer::from_file(source.vocabulary_path());
  trainer::T5Model model(
      trainer::config_from_base(source, ids.table.num_tokens(), checkpoints::Softmax::kFull));
  model.initialize(1);
  const trainer::BaseReport report = trainer::load_base(model, source);

  checkpoints::CheckpointStore::Content content;
  content.model = trainer::parameters_as_tensors(model);
  content.state = {{"step", 0}, {"softmax", "full"}, {"model", to_json(model.config())}};
  content.files = {{"spiece.model", tokenizer.bytes()}};
  content.made_from = {{"id-table", ids.manifest.hash}, {"dataset", dataset.hash}};
  checkpoints::CheckpointStore(out / "run").save(0, content, 1);
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(out / "run");
  checkpoints::export_hf(out / "export",
                         {.checkpoint = checkpoint,
                          .ids = ids,
                          .catalog = checkpoints::tiny_catalog(kNumTracks),
                          .dataset = dataset},
                         /*overwrite=*/false);
  std::ofstream(out / "report.json") << trainer::to_json(report).dump();
  nlohmann::json texts;
  for (const std::string& text : checkpoints::tiny_titles()) {
    texts.push_back({{"text", text}, {"ids", tokenizer.encode(text)}});
  }
  std::ofstream(out / "case.json") << texts.dump();
}

}  // namespace tutti::conformance
