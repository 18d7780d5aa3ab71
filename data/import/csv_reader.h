#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/import/text_reader.h"

namespace tutti::data {

// Rows of a CSV file with a header (RFC 4180: fields in double quotes may hold commas, line breaks
// and doubled quotes), plain or gzip. A byte order mark and empty lines are skipped. DataError with
// the line: a quote that never ends, text around a quoted field, another number of fields than the
// header.
class CsvReader {
 public:
  explicit CsvReader(const std::filesystem::path& path);  // reads the header

  const std::vector<std::string>& columns() const { return columns_; }
  size_t require_column(const std::string& name) const;  // DataError when absent
  std::optional<size_t> find_column(const std::string& name) const;

  bool next();  // the next row; false at the end
  const std::string& field(size_t column) const { return fields_[column]; }
  std::string place() const;  // "line 7", where the current row begins
  const std::string& path() const { return reader_.path(); }
  double fraction() const { return reader_.fraction(); }

 private:
  bool read_record();

  TextReader reader_;
  std::vector<std::string> columns_, fields_;
  int64_t line_ = 1, row_line_ = 1;
};

}  // namespace tutti::data
