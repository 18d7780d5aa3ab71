#include "launch/ids_report_json.h"

#include <cmath>
#include <limits>
#include <utility>

#include "launch/json_reader.h"

namespace tutti::launch {
namespace {

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// An infinite SNR is null in JSON.
double decibel_of(const JsonReader& reader) {
  const double value = reader.number();
  return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
}

ids::GroupReport groups_of(const JsonReader& groups, int64_t num_tracks) {
  return {.num_tracks = num_tracks,
          .num_groups = groups.at("distinct_codes").integer(),
          .tracks_alone = groups.at("tracks_alone").integer(),
          .largest = groups.at("largest").integer(),
          .p50 = groups.at("p50").integer(),
          .p90 = groups.at("p90").integer(),
          .p99 = groups.at("p99").integer()};
}

ids::CodeUse code_use_of(const JsonReader& level) {
  return {.num_codes = level.at("codes").integer(),
          .codes_used = level.at("codes_used").integer(),
          .largest_code = level.at("largest_code").integer(),
          .entropy_bits = level.at("entropy_bits").number(),
          .perplexity = level.at("perplexity").number(),
          .gini = level.at("gini").number()};
}

}  // namespace

nlohmann::json to_json(const ids::GroupReport& groups) {
  return {{"distinct_codes", groups.num_groups},
          {"tracks_alone", groups.tracks_alone},
          {"largest", groups.largest},
          {"p50", groups.p50},
          {"p90", groups.p90},
          {"p99", groups.p99}};
}

nlohmann::json to_json(const IdsReport& report) {
  const auto& paths = report.paths;
  nlohmann::json groups = to_json(paths.groups);
  groups["distinct_share"] = share(paths.groups.num_groups, paths.num_tracks);
  groups["gini"] = paths.group_gini;
  nlohmann::json document = {{"id_table", report.id_table_hash},
                             {"space", report.space},
                             {"norm", report.norm},
                             {"tracks", paths.num_tracks},
                             {"code_bits", paths.code_bits},
                             {"joint_entropy_bits", paths.joint_entropy_bits},
                             {"suffix_entropy_bits", paths.suffix_entropy_bits},
                             {"shared_bits", paths.shared_bits},
                             {"groups", std::move(groups)}};
  if (!report.dataset_hash.empty()) document["dataset"] = report.dataset_hash;
  if (!report.embeddings_hash.empty()) document["embeddings"] = report.embeddings_hash;
  for (size_t l = 0; l < paths.levels.size(); ++l) {
    const auto& level = paths.levels[l];
    document["levels"].push_back({{"codes", level.num_codes},
                                  {"codes_used", level.codes_used},
                                  {"largest_code", level.largest_code},
                                  {"entropy_bits", level.entropy_bits},
                                  {"perplexity", level.perplexity},
                                  {"gini", level.gini}});
    if (!report.reconstruction) continue;
    // An infinite SNR is null in JSON.
    document["levels"].back()["snr_db"] = report.reconstruction->snr_db[l];
    document["levels"].back()["gaussian_bound_db"] = report.reconstruction->bound_db[l];
  }
  for (const auto& bin : paths.sizes) {
    document["group_sizes"].push_back(
        {{"least", bin.least}, {"groups", bin.num_groups}, {"tracks", bin.num_tracks}});
  }
  for (const auto& prefix : paths.prefixes) {
    document["prefixes"].push_back({{"length", prefix.length},
                                    {"distinct", prefix.num_prefixes},
                                    {"same_artist", prefix.same_artist},
                                    {"tracks_compared", prefix.tracks_compared}});
  }
  if (report.reconstruction) {
    document["neighbours"] = {{"k", report.reconstruction->neighbours},
                              {"covariance_rows", report.reconstruction->covariance_rows},
                              {"queries", report.reconstruction->num_queries},
                              {"recall", report.reconstruction->recall}};
  }
  return document;
}

IdsReport ids_report_of(const nlohmann::json& document, const std::string& file) {
  const JsonReader reader(document, file, "tutti ids report");
  const auto optional_text = [&reader](const char* key) {
    return reader.has(key) ? reader.at(key).text() : std::string();
  };
  IdsReport report{.id_table_hash = reader.at("id_table").text(),
                   .dataset_hash = optional_text("dataset"),
                   .embeddings_hash = optional_text("embeddings"),
                   .space = reader.at("space").text(),
                   .norm = reader.at("norm").text(),
                   .paths = {},
                   .reconstruction = {}};
  auto& paths = report.paths;
  paths.num_tracks = reader.at("tracks").integer();
  paths.code_bits = reader.at("code_bits").number();
  paths.joint_entropy_bits = reader.at("joint_entropy_bits").number();
  paths.suffix_entropy_bits = reader.at("suffix_entropy_bits").number();
  paths.groups = groups_of(reader.at("groups"), paths.num_tracks);
  paths.group_gini = reader.at("groups").at("gini").number();
  if (reader.has("neighbours")) {
    const auto neighbours = reader.at("neighbours");
    report.reconstruction.emplace();
    report.reconstruction->covariance_rows = neighbours.at("covariance_rows").integer();
    report.reconstruction->num_queries = neighbours.at("queries").integer();
    report.reconstruction->neighbours = static_cast<int>(neighbours.at("k").integer());
    report.reconstruction->recall = neighbours.at("recall").number();
  }
  for (const auto& level : reader.at("levels").elements()) {
    paths.levels.push_back(code_use_of(level));
    if (!report.reconstruction) continue;
    report.reconstruction->snr_db.push_back(decibel_of(level.at("snr_db")));
    report.reconstruction->bound_db.push_back(decibel_of(level.at("gaussian_bound_db")));
  }
  paths.shared_bits = reader.at("shared_bits").numbers();
  if (paths.shared_bits.size() != paths.levels.size() * paths.levels.size()) {
    reader.at("shared_bits").refuse("a square matrix of the levels");
  }
  for (const auto& bin : reader.at("group_sizes").elements()) {
    paths.sizes.push_back({.least = bin.at("least").integer(),
                           .num_groups = bin.at("groups").integer(),
                           .num_tracks = bin.at("tracks").integer()});
  }
  if (!reader.has("prefixes")) return report;
  for (const auto& prefix : reader.at("prefixes").elements()) {
    paths.prefixes.push_back({.length = prefix.at("length").integer(),
                              .num_prefixes = prefix.at("distinct").integer(),
                              .same_artist = prefix.at("same_artist").number(),
                              .tracks_compared = prefix.at("tracks_compared").integer()});
  }
  return report;
}

}  // namespace tutti::launch
