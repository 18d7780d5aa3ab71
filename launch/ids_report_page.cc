#include "launch/ids_report_page.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "launch/progress.h"
#include "launch/svg_chart.h"
#include "launch/text_table.h"

namespace tutti::launch {
namespace {

using Table = std::vector<std::vector<std::string>>;

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1f24; --soft: #5b6470; --grid: #d8dce2;
  --series-0: #2f6fb2; --series-1: #d08a2a; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e8eaed; --soft: #a3abb6;
  --grid: #3a4048; --series-0: #6ea8e6; --series-1: #e6b15f; } }
@media print { :root { --paper: #fff; --ink: #000; --soft: #333; --grid: #bbb;
  --series-0: #2f6fb2; --series-1: #d08a2a; } * { print-color-adjust: exact; }
  figure, table { break-inside: avoid; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p { color: var(--soft); max-width: 46rem; } p b { color: var(--ink); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } figure { margin: 1rem 0; overflow-x: auto; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .title { fill: var(--soft); } svg .tick { text-anchor: end; fill: var(--soft); }
svg .label, svg .value { text-anchor: middle; } svg .value { font-size: 11px; }
svg .grid { stroke: var(--grid); } svg .s0 { fill: var(--series-0); } svg .s1 { fill: var(--series-1); }
.legend span { margin-right: 1.2rem; color: var(--soft); }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.legend .s0 { background: var(--series-0); } .legend .s1 { background: var(--series-1); }
.heat td { background: color-mix(in srgb, var(--series-0) var(--share), var(--paper)); }
.heat .own { color: var(--soft); }
)css";

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(double value) {
  return fmt::format("{:.1f} %", 100 * value);
}

std::string decibel(double value) {
  return std::isfinite(value) ? fmt::format("{:.2f}", value) : "exact";
}

std::string level_name(size_t level) {
  return fmt::format("level {}", level);
}

Table level_table(const IdsReport& report) {
  Table rows{{"level", "codes", "used", "perplexity", "largest", "Gini", "entropy, bits"}};
  if (report.reconstruction) rows[0].insert(rows[0].end(), {"SNR, dB", "Gaussian bound, dB"});
  for (size_t l = 0; l < report.paths.levels.size(); ++l) {
    const auto& level = report.paths.levels[l];
    rows.push_back({std::to_string(l), count_words(level.num_codes), count_words(level.codes_used),
                    fmt::format("{:.1f}", level.perplexity), count_words(level.largest_code),
                    fmt::format("{:.3f}", level.gini), fmt::format("{:.2f}", level.entropy_bits)});
    if (!report.reconstruction) continue;
    rows.back().push_back(decibel(report.reconstruction->snr_db[l]));
    rows.back().push_back(decibel(report.reconstruction->bound_db[l]));
  }
  return rows;
}

Table prefix_table(const ids::PathReport& paths) {
  Table rows{{"codes of the prefix", "distinct", "same artist", "tracks compared"}};
  for (const auto& prefix : paths.prefixes) {
    rows.push_back({prefix.length == 0 ? "none (chance)" : std::to_string(prefix.length),
                    count_words(prefix.num_prefixes), percent(prefix.same_artist),
                    count_words(prefix.tracks_compared)});
  }
  return rows;
}

std::string group_words(const ids::PathReport& paths) {
  const auto& groups = paths.groups;
  return fmt::format(
      "{} tracks on {} distinct code paths ({}), {} alone on theirs. A track's group: median {}, "
      "90 % up to {}, 99 % up to {}, largest {}; Gini of group sizes {:.3f}.",
      count_words(groups.num_tracks), count_words(groups.num_groups),
      percent(share(groups.num_groups, groups.num_tracks)),
      percent(share(groups.tracks_alone, groups.num_tracks)), count_words(groups.p50),
      count_words(groups.p90), count_words(groups.p99), count_words(groups.largest),
      paths.group_gini);
}

std::string entropy_words(const ids::PathReport& paths) {
  return fmt::format(
      "The codes could say {:.1f} bits of a track and say {:.2f} (joint entropy); telling all "
      "tracks apart takes {:.2f}, of which the suffix brings the rest. Entropy of the suffix: "
      "{:.2f} bits.",
      paths.code_bits, paths.joint_entropy_bits,
      std::log2(static_cast<double>(std::max<int64_t>(1, paths.num_tracks))),
      paths.suffix_entropy_bits);
}

std::string recall_words(const ids::ReconstructionReport& reconstruction) {
  return fmt::format(
      "Of the {} nearest tracks by reconstruction {} are as near by their vectors as the {} "
      "nearest (exact search, {} sampled tracks).",
      reconstruction.neighbours, percent(reconstruction.recall), reconstruction.neighbours,
      count_words(reconstruction.num_queries));
}

std::string html_table(const Table& rows) {
  std::string html = "<div class=\"scroll\"><table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    html += "<tr>";
    for (const auto& cell : rows[r]) {
      const char* tag = r == 0 ? "th" : "td";
      html += fmt::format("<{}>{}</{}>", tag, escape_html(cell), tag);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string paragraph(const std::string& text) {
  return "<p>" + escape_html(text) + "</p>\n";
}

std::string levels_section(const IdsReport& report) {
  const auto& levels = report.paths.levels;
  std::vector<std::string> labels;
  BarSeries used{"used", {}, {}}, perplexity{"perplexity", {}, {}};
  for (size_t l = 0; l < levels.size(); ++l) {
    const auto whole = static_cast<double>(levels[l].num_codes);
    labels.push_back(fmt::format("{} ({})", level_name(l), levels[l].num_codes));
    used.values.push_back(100 * share(levels[l].codes_used, levels[l].num_codes));
    used.captions.push_back(fmt::format("{}", levels[l].codes_used));
    perplexity.values.push_back(100 * levels[l].perplexity / whole);
    perplexity.captions.push_back(fmt::format("{:.0f}", levels[l].perplexity));
  }
  return "<h2>Levels</h2>\n" + html_table(level_table(report)) +
         bar_chart("Codes used and perplexity by level", "% of the level's codes", labels,
                   {used, perplexity});
}

std::string reconstruction_section(const IdsReport& report) {
  if (!report.reconstruction) {
    return "<h2>Reconstruction</h2>\n" +
           paragraph("Not measured: it needs the embeddings (--embeddings).");
  }
  const auto& reconstruction = *report.reconstruction;
  std::vector<std::string> labels;
  BarSeries measured{"sum of codes", reconstruction.snr_db, {}};
  BarSeries bound{"Gaussian bound at these bits", reconstruction.bound_db, {}};
  for (size_t l = 0; l < reconstruction.snr_db.size(); ++l) {
    labels.push_back("after " + level_name(l));
    measured.captions.push_back(decibel(reconstruction.snr_db[l]));
    bound.captions.push_back(decibel(reconstruction.bound_db[l]));
  }
  return "<h2>Reconstruction</h2>\n" + paragraph(recall_words(reconstruction)) +
         bar_chart("Signal over error by level", "SNR, dB", labels, {measured, bound}) +
         paragraph(fmt::format(
             "Vectors are compared as they are quantized (norm: {}, mean taken off). The bound is "
             "reverse water-filling for Gaussian vectors of the same covariance ({} sampled "
             "rows); real vectors cluster, so that codes may come close to it or pass it.",
             report.norm, count_words(reconstruction.covariance_rows)));
}

std::string groups_section(const ids::PathReport& paths) {
  std::vector<std::string> labels;
  BarSeries bars{"tracks", {}, {}};
  for (const auto& bin : paths.sizes) {
    const int64_t most = 2 * bin.least - 1;
    labels.push_back(bin.least == 1 ? "1" : fmt::format("{}-{}", bin.least, most));
    bars.values.push_back(100 * share(bin.num_tracks, paths.num_tracks));
    bars.captions.push_back(percent(share(bin.num_tracks, paths.num_tracks)));
  }
  return "<h2>Tracks that share a code path</h2>\n" + paragraph(group_words(paths)) +
         bar_chart("Tracks by the size of their group",
                   "% of tracks, by the number of tracks on their code path", labels, {bars});
}

std::string artists_section(const ids::PathReport& paths) {
  if (paths.prefixes.empty()) {
    return "<h2>Artists</h2>\n" + paragraph("Not measured: it needs the dataset (--dataset).");
  }
  std::vector<std::string> labels;
  BarSeries bars{"same artist", {}, {}};
  for (const auto& prefix : paths.prefixes) {
    labels.push_back(prefix.length == 0   ? "chance"
                     : prefix.length == 1 ? "1 code"
                                          : fmt::format("{} codes", prefix.length));
    bars.values.push_back(100 * prefix.same_artist);
    bars.captions.push_back(percent(prefix.same_artist));
  }
  return "<h2>Artists</h2>\n" +
         paragraph("Of the other tracks on a track's prefix, the share that is by its artist.") +
         bar_chart("Same artist by length of the prefix", "% of the other tracks on the prefix",
                   labels, {bars}) +
         html_table(prefix_table(paths));
}

std::string bits_section(const ids::PathReport& paths) {
  std::vector<std::string> labels;
  for (size_t l = 0; l < paths.levels.size(); ++l) labels.push_back(level_name(l));
  return "<h2>Bits</h2>\n" + paragraph(entropy_words(paths)) +
         heat_table(
             "Bits that two levels share (mutual information); a level's own entropy on "
             "the diagonal",
             labels, paths.shared_bits);
}

}  // namespace

nlohmann::json to_json(const IdsReport& report) {
  const auto& paths = report.paths;
  nlohmann::json document = {{"id_table", report.id_table_hash},
                             {"space", report.space},
                             {"norm", report.norm},
                             {"tracks", paths.num_tracks},
                             {"code_bits", paths.code_bits},
                             {"joint_entropy_bits", paths.joint_entropy_bits},
                             {"suffix_entropy_bits", paths.suffix_entropy_bits},
                             {"shared_bits", paths.shared_bits},
                             {"groups",
                              {{"distinct_codes", paths.groups.num_groups},
                               {"distinct_share", share(paths.groups.num_groups, paths.num_tracks)},
                               {"tracks_alone", paths.groups.tracks_alone},
                               {"largest", paths.groups.largest},
                               {"p50", paths.groups.p50},
                               {"p90", paths.groups.p90},
                               {"p99", paths.groups.p99},
                               {"gini", paths.group_gini}}}};
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
                              {"queries", report.reconstruction->num_queries},
                              {"recall", report.reconstruction->recall}};
  }
  return document;
}

std::string to_text(const IdsReport& report) {
  std::string text = align_columns(level_table(report)) + group_words(report.paths) + "\n" +
                     entropy_words(report.paths) + "\n";
  if (!report.paths.prefixes.empty()) text += align_columns(prefix_table(report.paths));
  if (report.reconstruction) text += recall_words(*report.reconstruction) + "\n";
  return text;
}

std::string to_html(const IdsReport& report) {
  std::string origin = fmt::format("ID table {}", report.id_table_hash.substr(0, 12));
  if (!report.dataset_hash.empty()) {
    origin += fmt::format(", dataset {}", report.dataset_hash.substr(0, 12));
  }
  if (!report.embeddings_hash.empty()) {
    origin += fmt::format(", embeddings {}", report.embeddings_hash.substr(0, 12));
  }
  origin += fmt::format("; space {}, norm {}", report.space, report.norm);
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width\"><title>ID "
         "report</title>\n<style>" +
         std::string(kStyle) + "</style></head><body>\n<h1>ID report</h1>\n" + paragraph(origin) +
         levels_section(report) + reconstruction_section(report) + groups_section(report.paths) +
         artists_section(report.paths) + bits_section(report.paths) + "</body></html>\n";
}

}  // namespace tutti::launch
