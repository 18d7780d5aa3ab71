#pragma once

#include <string>
#include <vector>

namespace tutti::launch {

// Rows of cells as aligned lines with two blanks between columns; columns that are empty in every
// row are left out. Widths count code points.
std::string align_columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace tutti::launch
