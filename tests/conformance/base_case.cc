#include "tests/conformance/base_case.h"

#include <fstream>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/export/hf.h"
#include "data/tokenizer.h"
#include "tests/checkpoints/tiny_road.h"
#include "trainer/base_model.h"
#include "trainer/model_io.h"
#include "trainer/models/make_model.h"

namespace tutti::conformance {
namespace {

struct Started {
  std::unique_ptr<trainer::IdModel> model;
  trainer::BaseReport report;
};

template <typename Base>
Started started(const Base& base, const ids::IdTable& table) {
  Started start = {trainer::make_model(to_json(trainer::config_from_base(
                       base, table.num_tokens(), checkpoints::Softmax::kFull))),
                   {}};
  start.model->initialize(1);
  start.report = trainer::load_base(*start.model, base);
  return start;
}

}  // namespace

void write_base_case(const std::filesystem::path& base, const std::filesystem::path& out) {
  constexpr int kNumTracks = 24;
  ids::LoadedIdTable ids{.manifest = {}, .table = checkpoints::tiny_id_table(kNumTracks)};
  ids.manifest.hash = std::string(64, 'a');
  Manifest dataset;
  dataset.hash = std::string(64, 'b');

  const data::Tokenizer tokenizer = data::Tokenizer::from_folder(base);
  const auto [model, report] = checkpoints::LlamaSource::is_at(base)
                                   ? started(checkpoints::LlamaSource::open(base), ids.table)
                                   : started(checkpoints::HfT5::open(base), ids.table);

  checkpoints::CheckpointStore::Content content;
  content.model = trainer::parameters_as_tensors(*model);
  content.state = {{"step", 0}, {"softmax", "full"}, {"model", model->shape()}};
  content.files = {{tokenizer.file_name(), tokenizer.bytes()}};
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
