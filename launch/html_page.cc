#include "launch/html_page.h"

#include <algorithm>

#include <fmt/format.h>

#include "launch/svg_chart.h"

namespace tutti::launch {
namespace {

// The first eight series after Okabe and Ito's palette, told apart by colour-blind readers.
constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1f24; --soft: #5b6470; --grid: #d8dce2;
  --mark: #d5ecdc; --series-0: #2f6fb2; --series-1: #c9701c; --series-2: #1b8a63;
  --series-3: #b0508a; --series-4: #7a6a00; --series-5: #3c9fd6; --series-6: #6b7380; --series-7: #a03030;
  --series-8: #5a3fa0; --series-9: #8fb021; --series-10: #d98aa8; --series-11: #3d4f2a; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e8eaed; --soft: #a3abb6;
  --grid: #3a4048; --mark: #214a33; --series-0: #6ea8e6; --series-1: #e6b15f; --series-2: #5cc7a0;
  --series-3: #e29ac6; --series-4: #cfc05a; --series-5: #8fd0f5; --series-6: #aab2bd; --series-7: #ec8686;
  --series-8: #b39af0; --series-9: #b8d94f; --series-10: #f2b8cd; --series-11: #a3b88a; } }
@media print { :root { --paper: #fff; --ink: #000; --soft: #333; --grid: #bbb; --mark: #d5ecdc;
  --series-0: #2f6fb2; --series-1: #c9701c; --series-2: #1b8a63; --series-3: #b0508a;
  --series-4: #7a6a00; --series-5: #3c9fd6; --series-6: #6b7380; --series-7: #a03030;
  --series-8: #5a3fa0; --series-9: #8fb021; --series-10: #d98aa8; --series-11: #3d4f2a; }
  * { print-color-adjust: exact; } figure, table { break-inside: avoid; } h2, h3, p:has(+ ul) { break-after: avoid; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0; }
p, li { color: var(--soft); max-width: 46rem; } .lead p, .lead li { color: var(--ink); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; min-width: 9rem; } td:not(:first-child) { white-space: nowrap; }
.strong td { font-weight: 600; } td.mark { background: var(--mark); }
.words th, .words td:nth-child(n) { text-align: left; white-space: normal; vertical-align: top; font-size: .85rem; padding: .2rem .5rem; }
.scroll { overflow-x: auto; }
figure { margin: 1rem 0; overflow-x: auto; }
.beside figure { display: inline-block; vertical-align: top; max-width: 100%; margin-right: 1rem; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .title, svg .soft { fill: var(--soft); } svg .tick { text-anchor: end; fill: var(--soft); }
svg .row { fill: var(--ink); } svg .strong { font-weight: 600; }
svg .label, svg .value { text-anchor: middle; } svg .value, svg .note { font-size: 11px; }
svg .grid { stroke: var(--grid); fill: none; } svg .line { fill: none; stroke-width: 1.8; }
svg .whisker { stroke: var(--ink); fill: none; }
svg.key { vertical-align: middle; margin-right: .4em; }
.legend { max-width: 31rem; font-size: .85rem; }
.legend span { display: inline-block; margin-right: 1.2rem; color: var(--soft); }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.heat td { background: color-mix(in srgb, var(--series-0) var(--share), var(--paper)); }
.heat .own { color: var(--soft); }
@page { size: landscape; }
@media print { body { font-size: 11px; margin: 0; } .scroll, figure { overflow: visible; }
  figure, h2 { margin: .5rem 0; } .beside figure { zoom: .9; margin-right: 1rem; }
  th, td { padding: .1rem .35rem; font-size: 7.5pt; } }
)css";

std::string series_style() {
  std::string style;
  for (size_t i = 0; i < kChartColors; ++i) {
    style += fmt::format(
        "svg .s{0} {{ fill: var(--series-{0}); }} svg .l{0} {{ stroke: var(--series-{0}); }} "
        ".legend i.s{0} {{ background: var(--series-{0}); }}\n",
        i);
  }
  return style;
}

}  // namespace

std::string html_table(const HtmlTable& table) {
  const auto holds = [](const auto& list, const auto& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  };
  std::string html =
      fmt::format("<div class=\"scroll\"><table{}>\n", table.is_words ? " class=\"words\"" : "");
  for (size_t r = 0; r < table.rows.size(); ++r) {
    html += holds(table.strong, r) ? "<tr class=\"strong\">" : "<tr>";
    for (size_t c = 0; c < table.rows[r].size(); ++c) {
      const char* tag = r == 0 ? "th" : "td";
      html += fmt::format("<{}{}>{}</{}>", tag,
                          holds(table.marked, std::pair(r, c)) ? " class=\"mark\"" : "",
                          escape_html(table.rows[r][c]), tag);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string html_paragraph(std::string_view text) {
  return "<p>" + escape_html(text) + "</p>\n";
}

std::string html_list(const std::vector<std::string>& items) {
  std::string html = "<ul>\n";
  for (const auto& item : items) html += "<li>" + escape_html(item) + "</li>\n";
  return html + "</ul>\n";
}

std::string html_page(std::string_view title, std::string_view body) {
  const std::string name = escape_html(title);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title>\n<style>{1}{2}</style></head><body>\n"
      "<h1>{0}</h1>\n{3}</body></html>\n",
      name, kStyle, series_style(), body);
}

}  // namespace tutti::launch
