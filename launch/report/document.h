#pragma once

#include <string>
#include <variant>
#include <vector>

#include "launch/html_page.h"

// A report before it is a page or a file: sections of text, tables and plots.
namespace tutti::launch {

struct ReportText {
  std::string text;
  std::vector<std::string> items = {};  // a list below it
};

struct ReportTable {
  std::string caption;  // may be empty
  HtmlTable table;
};

struct ReportCharts {
  std::string title;                // may be empty
  std::vector<std::string> charts;  // HTML, side by side where there is room; may hold empty ones
};

struct ReportSection {
  std::string title;
  std::vector<std::variant<ReportText, ReportTable, ReportCharts>> parts;
  std::string html = {};  // behind the parts, ready-made
  bool is_lead = false;   // the first words of the report
};

// A table with one value a cell and full digits, for programs.
struct CsvFile {
  std::string name;  // "systems.csv"
  Table rows;
};

struct ReportDocument {
  std::string title;
  std::vector<ReportSection> sections;
  std::vector<CsvFile> csv_files;
};

std::string html_of(const ReportDocument& document);
// Text and tables; plots are on the page only.
std::string markdown_of(const ReportDocument& document);

}  // namespace tutti::launch
