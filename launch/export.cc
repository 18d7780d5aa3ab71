#include <fmt/core.h>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/export/hf.h"
#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "ids/id_table.h"
#include "launch/commands.h"
#include "launch/options.h"

namespace tutti::launch {

int run_export(const std::vector<std::string>& args, Communicator& comm) {
  std::string run, ids, dataset, out, format = "hf";
  bool overwrite = false;
  Options options("export",
                  "Writes a trained model as a folder that serving engines load, with the trie of "
                  "its IDs and the way back to tracks.",
                  "tutti export --run runs/demo --ids ids --dataset data --out serving");
  options.require("run", &run, "run folder (its newest good checkpoint), or one checkpoint")
      .require("ids", &ids, "ID table that the model was trained for")
      .require("dataset", &dataset, "dataset that the model was trained on, for names of tracks")
      .require("out", &out, "folder to make")
      .add("format", &format, "hf: a folder of Hugging Face transformers, fp32")
      .add("overwrite", &overwrite, "replace an export that is there");
  if (!options.parse(args)) return 0;
  if (format != "hf") {
    throw UsageError(
        Problem{.file = {}, .place = "--format", .found = format, .expected = "hf", .cure = {}});
  }
  if (!comm.is_root()) return 0;

  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(run);
  const ids::LoadedIdTable table = ids::read_id_table(ids);
  const data::Dataset tracks = data::Dataset::open(dataset);
  const Manifest manifest = checkpoints::export_hf(out,
                                                   {.checkpoint = checkpoint,
                                                    .ids = table,
                                                    .catalog = tracks.catalog(),
                                                    .dataset = tracks.manifest()},
                                                   overwrite);
  fmt::print("{}: {}, {} tracks, vocabulary of {}\n", out, checkpoint.path.filename().string(),
             manifest.counts.at("tracks").get<int64_t>(),
             manifest.counts.at("vocab_size").get<int64_t>());
  fmt::print("{}/README.md shows how to load it\n", out);
  return 0;
}

}  // namespace tutti::launch
