#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "launch/text_table.h"

// The parts of pages that need nothing else: no script, no font, no network. One style for all, for
// light, dark and printed.
namespace tutti::launch {

struct HtmlTable {
  Table rows;                                          // text; the first row is the head
  std::vector<size_t> strong = {};                     // rows in bold
  std::vector<std::pair<size_t, size_t>> marked = {};  // cells (row, column) on a coloured ground
  bool is_words = false;                               // all columns are text, set small
};

std::string html_table(const HtmlTable& table);
std::string html_paragraph(std::string_view text);
std::string html_list(const std::vector<std::string>& items);

// `title` is text, `body` HTML.
std::string html_page(std::string_view title, std::string_view body);

}  // namespace tutti::launch
