#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "ids/embeddings.h"
#include "ids/file_rows.h"
#include "ids/id_table.h"
#include "launch/commands.h"
#include "launch/ids_report_page.h"
#include "launch/option_checks.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

constexpr int64_t kChunkRows = 64 * ids::kRowBlock;

struct ReportArgs {
  std::string ids, embeddings, dataset, out;
  int threads = 1;
  bool overwrite = false;
  ids::ReconstructionOptions reconstruction;
};

Options declare(ReportArgs& a) {
  Options options("ids report",
                  "Says how good an ID table is: use of its codes, tracks that share them, artists "
                  "within prefixes, and with the embeddings what the codes keep of them.",
                  "tutti ids report --ids ids --embeddings embeddings --dataset data --out report");
  options.require("ids", &a.ids, "ID table folder")
      .require("out", &a.out, "folder to make: report.json, report.html")
      .add("embeddings", &a.embeddings, "that the IDs were made of: adds SNR and neighbours")
      .add("dataset", &a.dataset, "that the IDs were made of: adds artists")
      .add("queries", &a.reconstruction.num_queries, "tracks whose neighbours are looked for")
      .add("neighbours", &a.reconstruction.neighbours, "k of recall@k")
      .add("seed", &a.reconstruction.seed, "of the sampled tracks")
      .add("threads", &a.threads, "threads; do not change the result")
      .add("overwrite", &a.overwrite, "replace the report in --out");
  return options;
}

// DataError unless the artefact has a row for each track of the table.
void require_rows(const std::string& path, int64_t rows, int64_t num_tracks) {
  if (rows == num_tracks) return;
  throw DataError({path, "", fmt::format("{} tracks", rows),
                   fmt::format("{} as in the ID table", num_tracks), ""});
}

IdsReport make_report(const ReportArgs& a, std::map<std::string, std::string>* made_from) {
  const auto [manifest, table] = ids::read_id_table(a.ids);
  const auto codebooks = ids::read_codebooks(a.ids);
  const auto codes = ids::codes_of(table);
  IdsReport report;
  report.id_table_hash = (*made_from)["id-table"] = manifest.hash;
  report.space = table.space;
  report.norm = name_of(codebooks.norm);

  std::vector<int32_t> artists;
  if (!a.dataset.empty()) {
    const auto dataset = data::Dataset::open(a.dataset);
    require_made_from(a.ids, manifest, "dataset", dataset.manifest());
    require_rows(a.dataset, dataset.num_tracks(), table.num_tracks());
    artists = dataset.catalog().track_artist;
    report.dataset_hash = (*made_from)["dataset"] = dataset.manifest().hash;
  }
  std::vector<int64_t> num_codes;
  for (const auto& level : codebooks.levels) num_codes.push_back(level.num_codes);
  if (std::ssize(num_codes) + 1 != table.id_length()) {
    throw DataError({a.ids, "", fmt::format("codebooks of {} levels", num_codes.size()),
                     fmt::format("{}, a level less than its IDs", table.id_length() - 1), ""});
  }
  report.paths = ids::report_paths(codes, num_codes, artists);

  if (!a.embeddings.empty()) {
    const auto file = ids::EmbeddingsFile::open(a.embeddings);
    require_made_from(a.ids, manifest, "embeddings", file.manifest());
    require_rows(a.embeddings, file.num_rows(), table.num_tracks());
    report.embeddings_hash = (*made_from)["embeddings"] = file.manifest().hash;
    if (file.num_rows() < 2) return report;  // no neighbours, nothing to vary
    ids::FileRows rows(file, {0, file.num_rows()}, kChunkRows);
    ThreadPool pool(a.threads);
    report.reconstruction =
        ids::report_reconstruction(rows, codes, codebooks, a.reconstruction, pool);
  }
  return report;
}

}  // namespace

int run_ids_report(const std::vector<std::string>& args, Communicator& comm) {
  ReportArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  require_at_least("--queries", a.reconstruction.num_queries, 1);
  require_at_least("--neighbours", a.reconstruction.neighbours, 1);
  require_at_least("--threads", a.threads, 1);
  if (comm.is_root()) {
    ArtefactWriter writer(a.out, "id-report", a.overwrite);
    Manifest manifest;
    const auto report = make_report(a, &manifest.made_from);
    write_file(writer.file("report.json"), to_json(report).dump(2) + "\n");
    write_file(writer.file("report.html"), to_html(report));
    manifest.counts = {{"tracks", report.paths.num_tracks}};
    manifest.config = {{"queries", a.reconstruction.num_queries},
                       {"neighbours", a.reconstruction.neighbours},
                       {"seed", a.reconstruction.seed}};
    writer.commit(std::move(manifest));
    fmt::print("{}{}: report.json, report.html\n", to_text(report), a.out);
  }
  comm.barrier();
  return 0;
}

}  // namespace tutti::launch
