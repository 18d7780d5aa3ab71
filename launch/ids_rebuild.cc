#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "launch/commands.h"
#include "launch/evaluate/held_out.h"
#include "launch/ids_change.h"
#include "launch/ids_report_json.h"
#include "launch/option_checks.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

struct RebuildArgs {
  ChangeArgs change;
  std::string out, tier = "append";
  int max_steps = 4, refit = 1;
  bool overwrite = false;
};

Options declare(RebuildArgs& a) {
  Options options(
      "ids rebuild",
      "Carries an ID table over to a changed catalogue. append: new tracks get IDs, nobody moves; "
      "refresh: tracks move whose codes no longer suit them; rebuild: codebooks are trained on "
      "first. IDs of tracks that are gone or moved are not given out again.",
      "mpirun -n 2 tutti ids rebuild --from ids --old-dataset data --dataset data-new "
      "--embeddings embeddings-new --out ids-new --tier refresh");
  add_change_options(options, a.change);
  options.require("out", &a.out, "ID table folder to make")
      .add("tier", &a.tier, "append | refresh | rebuild")
      .add("max-steps", &a.max_steps, "k-means steps a level of --tier rebuild, at most")
      .add("refit", &a.refit, "rounds of --tier rebuild that fit all codebooks together")
      .add("overwrite", &a.overwrite, "replace the ID table in --out");
  return options;
}

nlohmann::json report_of(const CatalogueChange& change, const ids::RebuiltIds& ids,
                         const std::string& tier) {
  nlohmann::json levels = nlohmann::json::array(), outcomes = nlohmann::json::array();
  for (size_t l = 0; l < ids.report.levels.size(); ++l) {
    const auto& level = ids.report.levels[l];
    levels.push_back({{"codes", ids.codebooks.levels[l].num_codes},
                      {"codes_used", level.codes_used},
                      {"perplexity", level.perplexity},
                      {"largest_code", level.largest_code},
                      {"snr_db", level.snr_db}});
  }
  for (const auto& outcome : ids.report.outcomes) {
    const nlohmann::json tolerance =
        std::isinf(outcome.tolerance) ? nlohmann::json() : nlohmann::json(outcome.tolerance);
    outcomes.push_back(
        {{"tolerance", tolerance}, {"moved", outcome.moved}, {"snr_db", outcome.snr_db}});
  }
  const auto& [survivors, full, prefix1, prefix2] = ids.report.churn;
  const auto& groups = ids.report.groups;
  return {{"tracks", groups.num_tracks},
          {"levels", levels},
          {"groups", to_json(groups)},
          {"change",
           {{"tier", tier},
            {"survivors", survivors},
            {"returning", change.change().num_returning},
            {"new", change.change().num_new},
            {"removed", change.change().removed.size()},
            {"unknown_entry_share", change.unknown_share()},
            {"churn", {{"full", full}, {"prefix_1", prefix1}, {"prefix_2", prefix2}}},
            {"retired_ids", ids.table.retired.size()},
            {"snr_db",
             {{"known_codes", ids.report.snr_as_they_were},
              {"known_codes_turned", ids.report.snr_turned}}},
            {"codebooks_turned", ids.report.turned},
            {"by_tolerance", outcomes},
            {"old_report", change.old_report()}}}};
}

ids::IdMapping mapping_of(const CatalogueChange& change, const ids::IdTable& table) {
  ids::IdMapping mapping;
  const auto& old = change.old().table;
  mapping.removed = change.change().removed;
  for (int64_t t = 0; t < table.num_tracks(); ++t) {
    const int32_t known = change.change().known[t];
    const bool survives = known >= 0 && known < old.num_tracks();
    mapping.old_track.push_back(survives ? known : ids::CatalogChange::kNew);
    if (!survives || std::ranges::equal(old.id_of(known), table.id_of(t))) continue;
    mapping.moved_tracks.push_back(static_cast<int32_t>(t));
    mapping.moved_from.insert(mapping.moved_from.end(), old.id_of(known).begin(),
                              old.id_of(known).end());
  }
  return mapping;
}

// The same table again, byte for byte: models that know it go on.
void write_unchanged(const RebuildArgs& a, const CatalogueChange& change) {
  const auto& manifest = change.old().manifest;
  ids::IdTableExtras extras;
  extras.codebooks = change.old_codebooks();
  extras.report = change.old_report();
  extras.config = manifest.config;
  extras.made_from = manifest.made_from;
  const auto written = ids::write_id_table(a.out, change.old().table, extras, a.overwrite);
  fmt::print("{}: dataset and embeddings are those that {} was made of; churn 0, hash {}\n", a.out,
             a.change.from, written.short_hash());
}

void print_report(const CatalogueChange& change, const ids::RebuiltIds& ids) {
  const auto& report = ids.report;
  fmt::print("{}", describe(change));
  fmt::print(
      "SNR of the known codes in these vectors {:.2f} dB, with codebooks turned to them "
      "{:.2f} dB{}\n",
      report.snr_as_they_were, report.snr_turned, report.turned ? ": they were turned" : "");
  if (!report.outcomes.empty()) fmt::print("{}", describe(report.outcomes));
  const auto share = [&](int64_t n) {
    return 100.0 * static_cast<double>(n) /
           static_cast<double>(std::max<int64_t>(1, report.churn.survivors));
  };
  fmt::print(
      "churn: {} of {} tracks have another ID ({:.2f} %), {} another first token ({:.2f} "
      "%), {} other first two ({:.2f} %)\n",
      report.churn.full, report.churn.survivors, share(report.churn.full), report.churn.prefix1,
      share(report.churn.prefix1), report.churn.prefix2, share(report.churn.prefix2));
  fmt::print("SNR of all tracks {:.2f} dB; {} distinct codes, largest group {}; {} IDs retired\n",
             report.levels.back().snr_db, report.groups.num_groups, report.groups.largest,
             ids.table.retired.size());
}

}  // namespace

int run_ids_rebuild(const std::vector<std::string>& args, Communicator& comm) {
  RebuildArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  const auto tier = ids::rebuild_tier(a.tier);
  require_at_least("--max-steps", a.max_steps, 1);
  require_at_least("--refit", a.refit, 0);
  if (comm.is_root()) ArtefactWriter(a.out, "id-table", a.overwrite);

  CatalogueChange change(a.change, comm);
  if (change.is_none()) {
    if (comm.is_root()) write_unchanged(a, change);
    comm.barrier();
    return 0;
  }
  auto rebuild = change.options(tier);
  rebuild.max_steps = a.max_steps;
  rebuild.refit_rounds = a.refit;
  const auto ids = change.rebuild(rebuild, comm);
  const int64_t all_peaks = comm.sum(peak_memory_bytes());
  const int64_t largest_peak = comm.max(peak_memory_bytes());
  if (!comm.is_root()) return 0;

  const auto& old = change.old().manifest;
  ids::IdTableExtras extras;
  extras.codebooks = ids.codebooks;
  extras.mapping = mapping_of(change, ids.table);
  extras.report = report_of(change, ids, a.tier);
  extras.config = old.config;  // how the codebooks came about, and how they were carried on
  extras.config["beam"] = rebuild.beam;
  extras.config["revision"] = old.config.value("revision", 0) + 1;
  extras.config["tier"] = a.tier;
  extras.config["tolerance"] = a.change.tolerance;
  if (tier == ids::RebuildTier::kRebuild) {
    extras.config["rebuild-max-steps"] = a.max_steps;
    extras.config["rebuild-refit"] = a.refit;
  }
  carry_held_out(change.embeddings().manifest(), &extras.config);
  extras.made_from = {{"dataset", change.dataset().manifest().hash},
                      {"embeddings", change.embeddings().manifest().hash},
                      {"id-table", old.hash}};
  const auto written = ids::write_id_table(a.out, ids.table, extras, a.overwrite);
  print_report(change, ids);
  fmt::print("peak memory {:.2f} GiB, largest rank {:.2f} GiB\n", to_gib(all_peaks),
             to_gib(largest_peak));
  fmt::print("{}: IDs of {} tokens over {} tokens in all, revision {} of {}, hash {}\n", a.out,
             ids.table.id_length(), ids.table.num_tokens(), extras.config["revision"].get<int>(),
             old.short_hash(), written.short_hash());
  return 0;
}

}  // namespace tutti::launch
