#include "data/import/csv_reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

bool is_empty_line(const std::vector<std::string>& fields) {
  return fields.size() == 1 && fields[0].empty();
}

}  // namespace

CsvReader::CsvReader(const std::filesystem::path& path) : reader_(path) {
  if (!read_record()) throw DataError({reader_.path(), "", "no header", "a header line", ""});
  columns_ = fields_;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (columns_[0].starts_with(kByteOrderMark)) columns_[0].erase(0, kByteOrderMark.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (std::find(columns_.begin(), columns_.begin() + static_cast<std::ptrdiff_t>(i),
                  columns_[i]) != columns_.begin() + static_cast<std::ptrdiff_t>(i)) {
      throw DataError({reader_.path(), "header", "column '" + columns_[i] + "' a second time",
                       "every column once", ""});
    }
  }
}

std::optional<size_t> CsvReader::find_column(const std::string& name) const {
  const auto found = std::ranges::find(columns_, name);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<size_t>(found - columns_.begin());
}

size_t CsvReader::require_column(const std::string& name) const {
  if (const auto column = find_column(name)) return *column;
  std::string found;
  for (const std::string& column : columns_) found += (found.empty() ? "" : ",") + column;
  throw DataError({reader_.path(), "header", found, "a column '" + name + "'", ""});
}

std::string CsvReader::place() const {
  return fmt::format("line {}", row_line_);
}

bool CsvReader::next() {
  do {
    if (!read_record()) return false;
  } while (is_empty_line(fields_));
  if (fields_.size() != columns_.size()) {
    throw DataError({reader_.path(), place(), fmt::format("{} fields", fields_.size()),
                     fmt::format("{} as in the header", columns_.size()),
                     "put fields that hold commas or line breaks in double quotes"});
  }
  return true;
}

bool CsvReader::read_record() {
  enum class At { kFieldStart, kPlain, kQuoted, kQuoteInQuoted };
  At at = At::kFieldStart;
  fields_.assign(1, "");
  row_line_ = line_;
  for (bool first = true;; first = false) {
    const int c = reader_.next_byte();
    if (c < 0) {
      if (first) return false;
      if (at == At::kQuoted) {
        throw DataError({reader_.path(), place(), "a quoted field that does not end",
                         "a closing double quote", ""});
      }
      if (at == At::kPlain && fields_.back().ends_with('\r')) fields_.back().pop_back();
      return true;
    }
    if (c == '\n') ++line_;
    if (at == At::kQuoted) {
      if (c == '"') {
        at = At::kQuoteInQuoted;
      } else {
        fields_.back() += static_cast<char>(c);
      }
      continue;
    }
    if (c == '\n') {
      if (at == At::kPlain && fields_.back().ends_with('\r')) fields_.back().pop_back();
      return true;
    }
    if (c == ',') {
      fields_.emplace_back();
      at = At::kFieldStart;
    } else if (c == '"' && at == At::kFieldStart) {
      at = At::kQuoted;
    } else if (c == '"' && at == At::kQuoteInQuoted) {
      fields_.back() += '"';
      at = At::kQuoted;
    } else if (at == At::kQuoteInQuoted) {
      if (c == '\r') continue;
      throw DataError({reader_.path(), place(), "text behind a quoted field", "a comma", ""});
    } else if (c == '"') {
      throw DataError({reader_.path(), place(), "a double quote inside a plain field",
                       "the field in double quotes, quotes in it doubled", ""});
    } else {
      fields_.back() += static_cast<char>(c);
      at = At::kPlain;
    }
  }
}

}  // namespace tutti::data
