#include "launch/report/document.h"

#include <algorithm>

#include "launch/svg_chart.h"

namespace tutti::launch {
namespace {

struct ToHtml {
  std::string operator()(const ReportText& part) const {
    return html_paragraph(part.text) + (part.items.empty() ? "" : html_list(part.items));
  }
  std::string operator()(const ReportTable& part) const {
    return heading(part.caption) + html_table(part.table);
  }
  std::string operator()(const ReportCharts& part) const {
    std::string charts;
    for (const auto& chart : part.charts) charts += chart;
    if (charts.empty()) return "";
    return heading(part.title) + "<div class=\"beside\">" + charts + "</div>\n";
  }
  static std::string heading(const std::string& text) {
    return text.empty() ? "" : "<h3>" + escape_html(text) + "</h3>\n";
  }
};

struct ToMarkdown {
  std::string operator()(const ReportText& part) const {
    std::string text = markdown_text(part.text) + "\n\n";
    for (const auto& item : part.items) text += "- " + markdown_text(item) + "\n";
    return part.items.empty() ? text : text + "\n";
  }
  std::string operator()(const ReportTable& part) const {
    const std::string heading =
        part.caption.empty() ? "" : "### " + markdown_text(part.caption) + "\n\n";
    return heading + markdown_table(part.table.rows) + "\n";
  }
  std::string operator()(const ReportCharts&) const { return ""; }
};

}  // namespace

std::string html_of(const ReportDocument& document) {
  std::string body;
  for (const auto& section : document.sections) {
    body += section.is_lead ? "<section class=\"lead\">\n" : "<section>\n";
    if (!section.title.empty()) body += "<h2>" + escape_html(section.title) + "</h2>\n";
    for (const auto& part : section.parts) body += std::visit(ToHtml(), part);
    body += section.html + "</section>\n";
  }
  return html_page(document.title, body);
}

std::string markdown_of(const ReportDocument& document) {
  std::string text = "# " + markdown_text(document.title) + "\n\n";
  for (const auto& section : document.sections) {
    const bool has_words =
        std::any_of(section.parts.begin(), section.parts.end(),
                    [](const auto& part) { return !std::holds_alternative<ReportCharts>(part); });
    if (!has_words) continue;
    if (!section.title.empty()) text += "## " + markdown_text(section.title) + "\n\n";
    for (const auto& part : section.parts) text += std::visit(ToMarkdown(), part);
  }
  return text;
}

}  // namespace tutti::launch
