#include "launch/ids_change.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "data/succession.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/runtime/memory.h"
#include "dist/together.h"
#include "launch/memory_size.h"
#include "launch/option_checks.h"
#include "launch/text_table.h"

namespace tutti::launch {
namespace {

nlohmann::json read_report(const std::string& table, const Manifest& manifest) {
  if (!manifest.files.contains("report.json")) return nullptr;
  std::ifstream in(std::filesystem::path(table) / "report.json");
  auto report = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  return report.is_discarded() ? nlohmann::json() : report;
}

double percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void add_change_options(Options& options, ChangeArgs& a) {
  options.require("from", &a.from, "ID table folder")
      .require("old-dataset", &a.old_dataset, "the dataset that it was made from")
      .require("dataset", &a.dataset, "the newer dataset; tracks are matched by their keys")
      .require("embeddings", &a.embeddings,
               "vectors of the newer dataset, by `tutti embed fold-in` or trained again")
      .add(
          "tolerance", &a.tolerance,
          "a track moves when its squared error is more than 1 + this times that of its best codes")
      .add("beam", &a.beam, "paths kept while encoding; 0: as the table was built")
      .add("threads", &a.threads, "threads a rank; does not change the result")
      .add("memory", &a.memory,
           "of a rank, as 4G; embeddings beyond it are read in pieces again and again; 0: no "
           "limit");
}

CatalogueChange::CatalogueChange(const ChangeArgs& a, Communicator& comm)
    : args_(a),
      old_(ids::read_id_table(a.from)),
      old_codebooks_(ids::read_codebooks(a.from)),
      old_dataset_(data::Dataset::open(a.old_dataset)),
      dataset_(data::Dataset::open(a.dataset)),
      file_(ids::EmbeddingsFile::open(a.embeddings)),
      old_keys_(old_dataset_.track_keys()) {
  require_at_least("--threads", a.threads, 1);
  require_made_from(a.from, old_.manifest, "dataset", old_dataset_.manifest());
  require_made_from(a.embeddings, file_.manifest(), "dataset", dataset_.manifest());
  run_together(comm, [&] {
    if (comm.is_root()) data::require_successor(old_dataset_, dataset_);
  });
  if (file_.dim() != old_codebooks_.dim()) {
    throw DataError({a.embeddings, "", fmt::format("vectors of {} numbers", file_.dim()),
                     fmt::format("{}, as the codebooks of {} have", old_codebooks_.dim(), a.from),
                     "train them with that --dim"});
  }
  tracks_.keys = dataset_.track_keys();
  if (comm.is_root()) tracks_.popularity = dataset_.train_counts();
  change_ = ids::compare_catalogs(old_.table, old_keys_, tracks_.keys);
  if (change_.num_survivors + change_.num_returning == 0) {
    throw DataError({a.dataset, "", "no track that " + a.from + " has an ID for",
                     "tracks that both have", "build new IDs with `tutti ids build`"});
  }
  old_report_ = read_report(a.from, old_.manifest);
  const auto own = owned_range(file_.num_rows(), ids::kRowBlock, comm.rank(), comm.size());
  const int64_t memory_bytes = memory_size("--memory", a.memory);
  const int64_t budget_bytes =
      memory_bytes == 0
          ? INT64_MAX
          : memory_bytes - peak_memory_bytes() -
                ids::rebuild_bytes(old_codebooks_, options(ids::RebuildTier::kRebuild),
                                   {own.first, own.size(), file_.num_rows(), file_.dim()},
                                   a.threads, comm.is_root());
  run_together(comm, [&] { rows_ = ids::open_rows(file_, own, budget_bytes, &tracks_.keys); });
  if (rows_.streamed) log::info("the embeddings are streamed from their file: --memory");
}

ids::RebuildOptions CatalogueChange::options(ids::RebuildTier tier) const {
  ids::RebuildOptions options;
  options.tier = tier;
  options.tolerance = args_.tolerance;
  options.beam = args_.beam > 0 ? args_.beam : old_.manifest.config.value("beam", options.beam);
  return options;
}

ids::RebuiltIds CatalogueChange::rebuild(const ids::RebuildOptions& options, Communicator& comm) {
  ThreadPool pool(args_.threads);
  return ids::rebuild_ids(*rows_.source, old_.table, old_keys_, old_codebooks_, change_, tracks_,
                          options, comm, pool);
}

bool CatalogueChange::is_none() const {
  const auto& made_from = old_.manifest.made_from;
  const auto embeddings = made_from.find("embeddings");
  return dataset_.manifest().hash == old_dataset_.manifest().hash &&
         embeddings != made_from.end() && embeddings->second == file_.manifest().hash;
}

double CatalogueChange::unknown_share() const {
  int64_t all = 0, unknown = 0;
  for (size_t t = 0; t < tracks_.popularity.size(); ++t) {
    all += tracks_.popularity[t];
    if (change_.known[t] == ids::CatalogChange::kNew) unknown += tracks_.popularity[t];
  }
  return all == 0 ? 0 : static_cast<double>(unknown) / static_cast<double>(all);
}

std::string describe(const CatalogueChange& change) {
  const auto& tracks = change.change();
  const auto total = std::ssize(tracks.known);
  return fmt::format(
      "{} tracks: {} with the ID they had, {} back, {} new ({:.1f} %, {:.1f} % of training "
      "entries); {} gone\n",
      total, tracks.num_survivors, tracks.num_returning, tracks.num_new,
      percent(tracks.num_new, total), 100 * change.unknown_share(), tracks.removed.size());
}

std::string describe(const std::vector<ids::ToleranceOutcome>& outcomes) {
  std::vector<std::vector<std::string>> rows{{"tolerance", "tracks that move", "SNR dB"}};
  for (const auto& outcome : outcomes) {
    rows.push_back(
        {std::isinf(outcome.tolerance) ? "nobody moves" : fmt::format("{}", outcome.tolerance),
         fmt::format("{}", outcome.moved), fmt::format("{:.3f}", outcome.snr_db)});
  }
  return align_columns(rows);
}

}  // namespace tutti::launch
