#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/runtime/memory.h"
#include "dist/together.h"
#include "ids/embeddings.h"
#include "ids/row_budget.h"
#include "ids/semantic_ids.h"
#include "launch/commands.h"
#include "launch/evaluate/held_out.h"
#include "launch/ids_build_catalog.h"
#include "launch/ids_report_json.h"
#include "launch/level_codes.h"
#include "launch/memory_size.h"
#include "launch/option_checks.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

struct BuildArgs {
  std::string embeddings, dataset, out, num_codes = "256", norm = "damped", memory = "0",
                                        quantizer = "rq-kmeans";
  int levels = 3, threads = 1;
  int64_t memory_bytes = 0;
  bool overwrite = false;
  ids::SemanticIdOptions ids;
  CatalogIdArgs catalog;
};

Options declare(BuildArgs& a) {
  Options options(
      "ids build",
      "Turns each track's vector into a few tokens, by residual k-means over all ranks, "
      "and tells tracks on one code apart by a last token. Or gives tracks IDs that need no "
      "vectors, with another --strategy.",
      "mpirun -n 2 tutti ids build --embeddings embeddings --dataset data --out ids "
      "--levels 3 --num-codes 256");
  options.require("dataset", &a.dataset, "dataset folder")
      .require("out", &a.out, "ID table folder to make")
      .add("strategy", &a.catalog.strategy,
           "semantic | track-integer | artist-track-integer | artist-track-name")
      .add("embeddings", &a.embeddings, "semantic: embeddings folder, made from that dataset")
      .add("quantizer", &a.quantizer,
           "rq-kmeans; dictionary: a few atoms of a learned dictionary, the heaviest first; "
           "rq-vae: the "
           "codebooks of embeddings that `embed rq-vae` made")
      .add("levels", &a.levels, "codes a track, the suffix not counted")
      .add("num-codes", &a.num_codes,
           "codes to choose from: one number, or one a level (256,256,64)")
      .add("norm", &a.norm, "length of a vector before it is quantized: raw | unit | damped")
      .add("beam", &a.ids.quantizer.beam,
           "paths kept while encoding; 1: nearest code at each level")
      .add("group-cap", &a.ids.spill.group_cap,
           "tracks that may share a code before some of them go to another; 0: any number")
      .add("spill-tolerance", &a.ids.spill.tolerance,
           "they go when their squared error grows by at most this share of it")
      .add("max-steps", &a.ids.quantizer.max_steps,
           "k-means steps a level, or steps of the dictionary, at most")
      .add("refit", &a.ids.quantizer.refit_rounds,
           "rounds in which the codebooks of all levels are fitted together; 0: none")
      .add("balance", &a.ids.quantizer.balance,
           "tracks a code of a level should hold at most, as a multiple of the mean; 0: any number")
      .add("sample", &a.ids.quantizer.sample_rows,
           "tracks, chosen by the seed, that codebooks are trained on; 0: all. All are encoded")
      .add("seed", &a.ids.quantizer.seed, "of the first codes, or of the integers")
      .add("threads", &a.threads, "threads a rank; does not change the result")
      .add("memory", &a.memory,
           "of a rank, as 4G; embeddings beyond it are read in pieces again and again; 0: no limit")
      .add("overwrite", &a.overwrite, "replace the ID table in --out");
  declare_catalog_options(options, a.catalog);
  return options;
}

void check(BuildArgs& a) {
  a.catalog.ids.seed = a.ids.quantizer.seed;
  check(a.catalog, a.embeddings);
  require_at_least("--levels", a.levels, 1);
  require_at_least("--threads", a.threads, 1);
  require_at_least("--max-steps", a.ids.quantizer.max_steps, 1);
  require_at_least("--refit", a.ids.quantizer.refit_rounds, 0);
  a.memory_bytes = memory_size("--memory", a.memory);
  a.ids.quantizer.num_codes = codes_of_levels(a.num_codes, a.levels);
  a.ids.quantizer.norm = ids::norm_handling(a.norm);
  a.ids.kind = ids::quantizer_kind(a.quantizer);
  if (a.ids.kind != ids::QuantizerKind::kDictionary) return;
  ids::dictionary_of(a.ids.quantizer);  // refuses what a dictionary cannot do
  const int usual = ids::ResidualQuantizerOptions().beam;
  if (a.ids.quantizer.beam != usual) {
    throw UsageError({"", "--beam", fmt::format("{}", a.ids.quantizer.beam),
                      fmt::format("none (its default, {}) with --quantizer dictionary", usual),
                      "a matching pursuit takes one atom after the other"});
  }
}

// DataError unless the vectors are those of this dataset's tracks, and enough for the codes.
void check_origin(const BuildArgs& a, const data::Dataset& dataset,
                  const ids::EmbeddingsFile& file) {
  require_made_from(a.embeddings, file.manifest(), "dataset", dataset.manifest());
  if (file.num_rows() != dataset.num_tracks()) {
    throw DataError({a.embeddings, "", fmt::format("{} rows", file.num_rows()),
                     fmt::format("one a track of the catalog, {}", dataset.num_tracks()),
                     "make the embeddings again"});
  }
  const int64_t most_codes = *std::ranges::max_element(a.ids.quantizer.num_codes);
  if (most_codes > file.num_rows()) {
    throw DataError({a.embeddings, "", fmt::format("{} rows", file.num_rows()),
                     fmt::format("at least one a code, {}", most_codes),
                     "ask for fewer codes with --num-codes"});
  }
}

// The codebooks that came with the vectors. What is asked for must be what they are: nothing is
// trained.
void take_codebooks(BuildArgs& a, const Manifest& embeddings) {
  if (!embeddings.files.contains(ids::kRqVaeCodebooks)) {
    throw DataError({a.embeddings, "", "no " + std::string(ids::kRqVaeCodebooks),
                     "embeddings that `tutti embed rq-vae` made", ""});
  }
  a.ids.given =
      ids::read_codebooks_file(std::filesystem::path(a.embeddings) / ids::kRqVaeCodebooks);
  std::vector<int64_t> num_codes;
  for (const auto& level : a.ids.given.levels) num_codes.push_back(level.num_codes);
  const auto require = [](const char* option, const std::string& found, bool is_so,
                          const std::string& expected) {
    if (is_so) return;
    throw UsageError(
        {"", option, found, expected + " with --quantizer rq-vae and these embeddings", ""});
  };
  const ids::ResidualQuantizerOptions usual;
  const auto& asked = a.ids.quantizer;
  require("--levels, --num-codes", fmt::format("{}", fmt::join(asked.num_codes, ",")),
          asked.num_codes == num_codes, fmt::format("{}", fmt::join(num_codes, ",")));
  require("--norm", a.norm, asked.norm == ids::NormHandling::kRaw, "raw");
  require("--balance", fmt::format("{}", asked.balance), asked.balance == 0, "0");
  require("--sample", fmt::format("{}", asked.sample_rows), asked.sample_rows == 0, "0");
  require("--max-steps", fmt::format("{}", asked.max_steps), asked.max_steps == usual.max_steps,
          "none (its default)");
  require("--refit", fmt::format("{}", asked.refit_rounds),
          asked.refit_rounds == usual.refit_rounds, "none (its default)");
}

// What a reader of the table wants to know of it. No times: the same IDs are the same bytes.
nlohmann::json report_of(const ids::SemanticIds& ids) {
  nlohmann::json levels = nlohmann::json::array();
  for (size_t l = 0; l < ids.quantizer.levels.size(); ++l) {
    const auto& level = ids.quantizer.levels[l];
    levels.push_back({{"codes", ids.codebooks.levels[l].num_codes},
                      {"codes_used", level.codes_used},
                      {"perplexity", level.perplexity},
                      {"largest_code", level.largest_code},
                      {"snr_db", level.snr_db}});
    if (ids.quantizer.training.empty()) continue;
    const auto& steps = ids.quantizer.training[l];
    levels.back()["kmeans_steps"] = steps.size();
    levels.back()["kmeans_objective"] = steps.back().objective;
  }
  const auto& groups = ids.groups;
  nlohmann::json report = {{"tracks", groups.num_tracks},
                           {"trained_on", ids.quantizer.trained_on},
                           {"levels", levels},
                           {"groups", to_json(groups)},
                           {"spill",
                            {{"groups_above_cap", ids.spill.groups_above_cap},
                             {"tracks_above_cap", ids.spill.tracks_above_cap},
                             {"tracks_moved", ids.spill.tracks_moved}}}};
  if (const auto& steps = ids.dictionary.steps; !steps.empty()) {
    report["dictionary"] = {{"steps", steps.size()},
                            {"objective", steps.back().objective},
                            {"snr_db_with_own_weights", steps.back().snr_db}};
  }
  return report;
}

double percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_report(const ids::SemanticIds& ids) {
  if (ids.quantizer.trained_on < ids.groups.num_tracks) {
    fmt::print("codebooks trained on a sample of {} of {} tracks: --sample\n",
               ids.quantizer.trained_on, ids.groups.num_tracks);
  }
  const bool has_steps = !ids.quantizer.training.empty();
  fmt::print("level  codes   used  perplexity  largest   SNR dB{}\n", has_steps ? "  steps" : "");
  for (size_t l = 0; l < ids.quantizer.levels.size(); ++l) {
    const auto& level = ids.quantizer.levels[l];
    fmt::print("{:>5}  {:>5}  {:>5}  {:>10.1f}  {:>7}  {:>7.2f}{}\n", l,
               ids.codebooks.levels[l].num_codes, level.codes_used, level.perplexity,
               level.largest_code, level.snr_db,
               has_steps ? fmt::format("  {:>5}", ids.quantizer.training[l].size()) : "");
  }
  if (const auto& steps = ids.dictionary.steps; !steps.empty()) {
    fmt::print("dictionary of {} atoms: {:.2f} dB with each track's own weights, after {} steps\n",
               ids.codebooks.atoms.num_codes, steps.back().snr_db, steps.size() - 1);
  }
  const auto& groups = ids.groups;
  fmt::print(
      "{} tracks on {} distinct codes ({:.1f} %), {:.1f} % alone on theirs; a track's group: "
      "median {}, 90 % {}, 99 % {}, largest {}\n",
      groups.num_tracks, groups.num_groups, percent(groups.num_groups, groups.num_tracks),
      percent(groups.tracks_alone, groups.num_tracks), groups.p50, groups.p90, groups.p99,
      groups.largest);
  if (ids.spill.tracks_above_cap > 0) {
    fmt::print("{} tracks were beyond the cap of {} groups; {} moved to another code\n",
               ids.spill.tracks_above_cap, ids.spill.groups_above_cap, ids.spill.tracks_moved);
  }
  fmt::print("codebooks {:.1f} s, encoding {:.1f} s, uniqueness {:.1f} s\n", ids.train_s,
             ids.encode_s, ids.unique_s);
}

// What may be spent on rows: --memory less what is held already and what the rest will need. Rank 0
// also gathers and sorts the codes of all tracks.
int64_t row_budget(const BuildArgs& a, const ids::EmbeddingsFile& file, const Range& own,
                   const Communicator& comm) {
  if (a.memory_bytes == 0) return INT64_MAX;
  const auto num_levels = std::ssize(a.ids.quantizer.num_codes);
  const int64_t gathered = comm.is_root() ? file.num_rows() * (8 * num_levels + 48) : 0;
  const ids::RowSource::Extent extent{own.first, own.size(), file.num_rows(), file.dim()};
  const int64_t quantizer =
      a.ids.kind == ids::QuantizerKind::kDictionary
          ? ids::dictionary_bytes(ids::dictionary_of(a.ids.quantizer), extent, a.threads)
          : ids::quantizer_bytes(a.ids.quantizer, extent, a.threads);
  return a.memory_bytes - peak_memory_bytes() - gathered - quantizer;
}

void log_step(int level, const ids::KMeansStep& step) {
  log::info(fmt::format(
      "level {}: objective {:.6g}, {} rows moved, {} codes empty, largest {}; assign {:.2f} s, "
      "reduce {:.2f}, update {:.2f}",
      level, step.objective, step.rows_moved, step.empty_codes, step.largest_code, step.assign_s,
      step.reduce_s, step.update_s));
}

}  // namespace

int run_ids_build(const std::vector<std::string>& args, Communicator& comm) {
  BuildArgs a;
  Options options = declare(a);
  const nlohmann::json usual = options.resolved();
  if (!options.parse(args)) return 0;
  check(a);
  require_no_other_options(a.catalog, options.resolved(), usual);
  // Says before the work, not after it, that the folder cannot be written.
  if (comm.is_root()) ArtefactWriter(a.out, "id-table", a.overwrite);
  if (!a.catalog.is_semantic()) {
    build_catalog_table(a.catalog, a.dataset, a.out, a.overwrite, comm);
    return 0;
  }

  const auto dataset = data::Dataset::open(a.dataset);
  const auto file = ids::EmbeddingsFile::open(a.embeddings);
  check_origin(a, dataset, file);
  if (a.ids.kind == ids::QuantizerKind::kGiven) take_codebooks(a, file.manifest());
  // Every rank knows the keys, to name a track whose vector is no vector; the order of tracks is
  // rank 0's business.
  ids::TrackOrder tracks;
  tracks.keys = dataset.track_keys();
  if (comm.is_root()) tracks.popularity = dataset.train_counts();
  const auto own = owned_range(file.num_rows(), ids::kRowBlock, comm.rank(), comm.size());
  const auto split = owned_splits(file.num_rows(), ids::kRowBlock, comm.size());
  a.ids.space = file.manifest().config.value("space", "cf");
  ids::BudgetedRows rows;
  const int64_t budget_bytes = row_budget(a, file, own, comm);
  run_together(comm, [&] { rows = ids::open_rows(file, own, budget_bytes, &tracks.keys); });
  if (rows.streamed) log::info("the embeddings are streamed from their file: --memory");
  ThreadPool pool(a.threads);
  a.ids.quantizer.on_step = log_step;
  const auto ids = ids::build_semantic_ids(*rows.source, split, tracks, a.ids, comm, pool);
  const int64_t all_peaks = comm.sum(peak_memory_bytes());
  const int64_t largest_peak = comm.max(peak_memory_bytes());
  if (!comm.is_root()) return 0;

  ids::IdTableExtras extras;
  extras.codebooks = ids.codebooks;
  extras.report = report_of(ids);
  extras.config = options.resolved();
  for (const char* key : {"embeddings", "dataset", "out", "threads", "memory", "overwrite"}) {
    extras.config.erase(key);
  }
  erase_catalog_options(&extras.config);
  carry_held_out(file.manifest(), &extras.config);
  extras.made_from = {{"dataset", dataset.manifest().hash}, {"embeddings", file.manifest().hash}};
  const auto written = ids::write_id_table(a.out, ids.table, extras, a.overwrite);
  print_report(ids);
  fmt::print("peak memory {:.2f} GiB, largest rank {:.2f} GiB{}\n", to_gib(all_peaks),
             to_gib(largest_peak),
             a.memory_bytes > 0 ? fmt::format(" of {:.2f} allowed", to_gib(a.memory_bytes)) : "");
  fmt::print("{}: IDs of {} tokens over {} tokens in all, hash {}\n", a.out, ids.table.id_length(),
             ids.table.num_tokens(), written.short_hash());
  return 0;
}

}  // namespace tutti::launch
