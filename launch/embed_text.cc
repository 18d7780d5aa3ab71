#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "checkpoints/import/bert.h"
#include "data/dataset.h"
#include "dist/runtime/memory.h"
#include "ids/embeddings.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/train/known_bases.h"
#include "trainer/text_space.h"

namespace tutti::launch {

int run_embed_text(const std::vector<std::string>& args, Communicator& comm) {
  std::string path, out, base = "minilm";
  int threads = 1;
  bool overwrite = false;
  Options options("embed text",
                  "Makes a vector for every track from the titles of the training playlists that "
                  "hold it, by a sentence encoder whose work the ranks share. Tracks in none of "
                  "them have the vector of their tags and names.",
                  "mpirun -n 2 tutti embed text --dataset data --out text-embeddings");
  options.require("dataset", &path, "dataset folder")
      .require("out", &out, "embeddings folder to make")
      .add("base", &base,
           "folder of a BERT of Hugging Face transformers; minilm: all-MiniLM-L6-v2 where its "
           "Python package is installed")
      .add("threads", &threads, "threads a rank")
      .add("overwrite", &overwrite, "replace the embeddings in --out");
  if (!options.parse(args)) return 0;
  require_at_least("--threads", threads, 1);
  at::set_num_threads(threads);
  // Says before the work, not after it, that the folder cannot be written.
  if (comm.is_root()) ArtefactWriter(out, "embeddings", overwrite);

  const auto dataset = data::Dataset::open(path);
  const auto encoder = trainer::BiEncoder::from(checkpoints::BertSource::open(find_base(base)));
  Progress progress("embed text", 0, "texts a rank", ProgressView::of_process(comm));
  const auto space = trainer::make_text_space(dataset, encoder, comm,
                                              [&](int64_t texts) { progress.advance(texts); });
  progress.finish();
  const int64_t all_peaks = comm.sum(peak_memory_bytes());
  if (!comm.is_root()) return 0;

  const nlohmann::json config = {{"space", "text"}, {"encoder", trainer::fingerprint(encoder)}};
  const auto manifest =
      ids::write_embeddings(out, space.embeddings, dataset.manifest(), config, overwrite);
  const int64_t num_texts = space.num_titles + space.num_metadata_texts;
  fmt::print(
      "{} distinct titles and {} texts of metadata encoded in {:.1f} s: {:.2f} ms of a rank's time "
      "each\n"
      "{}: {} tracks x {}; {} in no training playlist have the vector of their tags and names, {} "
      "without these their album's, artist's or all tracks' mean; hash {}\n"
      "peak memory {:.2f} GiB over {} ranks\n",
      space.num_titles, space.num_metadata_texts, space.encode_s,
      1000 * space.encode_s * comm.size() / static_cast<double>(num_texts), out,
      space.embeddings.num_rows, space.embeddings.dim, space.tracks_of_metadata,
      space.tracks_of_means, manifest.short_hash(), to_gib(all_peaks), comm.size());
  return 0;
}

}  // namespace tutti::launch
