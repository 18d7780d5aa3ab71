#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tutti::launch {

using Table = std::vector<std::vector<std::string>>;  // rows of cells

// Rows of cells as aligned lines with two blanks between columns; columns that are empty in every
// row are left out. Widths count code points.
std::string align_columns(const Table& rows);

// The same for files of others: the first row is the head.
std::string markdown_table(const Table& rows);
std::string csv_table(const Table& rows);  // RFC 4180, lines end with \n
// Text of others in Markdown: what would begin markup is escaped, line ends are blanks.
std::string markdown_text(std::string_view text);

}  // namespace tutti::launch
