#include "launch/ids_report_page.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "launch/html_page.h"
#include "launch/progress.h"
#include "launch/svg_chart.h"
#include "launch/text_table.h"

namespace tutti::launch {
namespace {

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
  return html_table({level_table(report)}) + bar_chart("Codes used and perplexity by level",
                                                       "% of the level's codes", labels,
                                                       {used, perplexity});
}

std::string reconstruction_section(const IdsReport& report) {
  if (!report.reconstruction) {
    return html_paragraph("Not measured: it needs the embeddings (--embeddings).");
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
  return html_paragraph(recall_words(reconstruction)) +
         bar_chart("Signal over error by level", "SNR, dB", labels, {measured, bound}) +
         html_paragraph(fmt::format(
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
  return html_paragraph(group_words(paths)) +
         bar_chart("Tracks by the size of their group",
                   "% of tracks, by the number of tracks on their code path", labels, {bars});
}

std::string artists_section(const ids::PathReport& paths) {
  if (paths.prefixes.empty()) {
    return html_paragraph("Not measured: it needs the dataset (--dataset).");
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
  return html_paragraph(
             "Of the other tracks on a track's prefix, the share that is by its artist.") +
         bar_chart("Same artist by length of the prefix", "% of the other tracks on the prefix",
                   labels, {bars}) +
         html_table({prefix_table(paths)});
}

std::string bits_section(const ids::PathReport& paths) {
  std::vector<std::string> labels;
  for (size_t l = 0; l < paths.levels.size(); ++l) labels.push_back(level_name(l));
  return html_paragraph(entropy_words(paths)) +
         heat_table(
             "Bits that two levels share (mutual information); a level's own entropy on "
             "the diagonal",
             labels, paths.shared_bits);
}

}  // namespace

std::string to_text(const IdsReport& report) {
  std::string text = align_columns(level_table(report)) + group_words(report.paths) + "\n" +
                     entropy_words(report.paths) + "\n";
  if (!report.paths.prefixes.empty()) text += align_columns(prefix_table(report.paths));
  if (report.reconstruction) text += recall_words(*report.reconstruction) + "\n";
  return text;
}

std::vector<std::pair<std::string, std::string>> ids_report_sections(const IdsReport& report) {
  return {{"Levels", levels_section(report)},
          {"Reconstruction", reconstruction_section(report)},
          {"Tracks that share a code path", groups_section(report.paths)},
          {"Artists", artists_section(report.paths)},
          {"Bits", bits_section(report.paths)}};
}

std::string origin_words(const IdsReport& report) {
  std::string origin = fmt::format("ID table {}", report.id_table_hash.substr(0, 12));
  if (!report.dataset_hash.empty()) {
    origin += fmt::format(", dataset {}", report.dataset_hash.substr(0, 12));
  }
  if (!report.embeddings_hash.empty()) {
    origin += fmt::format(", embeddings {}", report.embeddings_hash.substr(0, 12));
  }
  origin += fmt::format("; space {}, norm {}", report.space, report.norm);
  return origin;
}

std::string to_html(const IdsReport& report) {
  std::string body = html_paragraph(origin_words(report));
  for (const auto& [title, html] : ids_report_sections(report)) {
    body += "<h2>" + escape_html(title) + "</h2>\n" + html;
  }
  return html_page("ID report", body);
}

}  // namespace tutti::launch
