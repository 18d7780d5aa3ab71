#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "ids/import_vectors.h"
#include "launch/commands.h"
#include "launch/evaluate/held_out.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/vector_files.h"

namespace tutti::launch {
namespace {

struct EmbedImportArgs {
  std::string file, dataset, out, vectors = "vectors", keys = "keys", key_file;
  std::string missing = "error", unknown = "ignore", space = "imported", held_out = kHeldOutUnknown;
  bool overwrite = false;
};

Options declare(EmbedImportArgs& a) {
  Options options("embed import",
                  "Makes embeddings of vectors that you have: .npy, .safetensors or HDF5, a row a "
                  "track, in any order, with the keys of the tracks.",
                  "tutti embed import audio.npy --key-file audio-keys.txt --dataset data "
                  "--out embeddings --missing artist");
  options.positional("file", &a.file, "vectors: .npy, .safetensors, .h5 or .hdf5");
  options.require("dataset", &a.dataset, "dataset folder")
      .require("out", &a.out, "embeddings folder to make")
      .add("vectors", &a.vectors, "HDF5 dataset or tensor of the vectors, [rows, dim] floats")
      .add("keys", &a.keys,
           "HDF5 dataset or tensor of their keys, one a row: strings or integers; in a tensor "
           "bytes [rows, width] padded with zeros, or I64")
      .add("key-file", &a.key_file,
           "the keys as a file of their own instead: text, a key a line, or .npy")
      .add("missing", &a.missing,
           "a track without vector: error | mean (of all) | artist (its artist's mean)")
      .add("unknown", &a.unknown, "a vector of no track of the catalogue: ignore | error")
      .add("space", &a.space, "what the vectors say of a track, kept with the IDs: audio, text")
      .add(
          kHeldOut, &a.held_out,
          "what the vectors know of held-out playlists, which nobody can see in them: unseen (made "
          "without them, as those of audio) | unknown (tutti evaluate refuses them)")
      .add("overwrite", &a.overwrite, "replace the embeddings in --out");
  return options;
}

data::StringTable keys_of(const EmbedImportArgs& a, ids::VectorFile& file) {
  if (!a.key_file.empty()) return ids::read_key_file(a.key_file);
  auto keys = file.read_keys();
  if (keys) return *std::move(keys);
  throw DataError({a.file, "", "no keys", "the key of each row's track",
                   "give them with --key-file, or say where they are with --keys"});
}

}  // namespace

int run_embed_import(const std::vector<std::string>& args, Communicator& comm) {
  EmbedImportArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  ids::ImportOptions import;
  import.missing = ids::missing_rule(a.missing);
  require_one_of("--unknown", a.unknown, {"ignore", "error"});
  import.refuse_unknown = a.unknown == "error";
  require_one_of("--held-out", a.held_out, {kHeldOutUnseen, kHeldOutUnknown});
  if (comm.is_root()) {
    const auto file = open_vector_file(a.file, a.vectors, a.keys);
    ids::EmbeddingsWriter writer(a.out, file->dim(), a.overwrite);
    const auto dataset = data::Dataset::open(a.dataset);
    const auto report =
        ids::import_vectors(*file, keys_of(a, *file), dataset.catalog(), import, &writer);
    auto config = options.resolved();
    for (const char* key : {"file", "dataset", "out", "key-file", "overwrite"}) config.erase(key);
    const auto manifest = writer.finish(dataset.manifest(), std::move(config));
    if (report.unknown_keys > 0) {
      log::warn(fmt::format("{}: {} rows belong to no track of the catalogue, the first is '{}'",
                            a.file, report.unknown_keys, report.first_unknown));
    }
    if (report.zero_rows > 0) {
      log::warn(
          fmt::format("{}: {} rows are all zeros: they share one code", a.file, report.zero_rows));
    }
    fmt::print("{}: {} tracks x {}, {} from {} rows of {}, {} filled in ({}); hash {}\n", a.out,
               dataset.num_tracks(), file->dim(), report.rows_used, report.rows_in_file, a.file,
               report.tracks_filled, a.missing, manifest.short_hash());
  }
  comm.barrier();
  return 0;
}

}  // namespace tutti::launch
