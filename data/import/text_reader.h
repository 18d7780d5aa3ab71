#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

struct gzFile_s;

namespace tutti::data {

// Reads a plain or gzip file (told apart by its first bytes) as bytes or lines, and knows where it
// is. DataError: no such file, a folder, a truncated or damaged gzip.
class TextReader {
 public:
  explicit TextReader(const std::filesystem::path& path);
  ~TextReader();
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  // The next byte, or -1 at the end.
  int next_byte() {
    if (at_ == end_ && !fill()) return -1;
    return static_cast<uint8_t>(buffer_[at_++]);
  }
  // The next line without its end ("\n" or "\r\n"); false at the end of the file.
  bool next_line(std::string* line);
  // Everything that is left.
  std::string rest();

  int64_t line() const { return line_; }  // number of the line last read, from 1
  double fraction() const;                // of the file's bytes that were read
  const std::string& path() const { return path_; }

 private:
  bool fill();

  std::string path_;
  gzFile_s* file_ = nullptr;
  std::vector<char> buffer_;
  size_t at_ = 0, end_ = 0;
  int64_t line_ = 0, file_bytes_ = 0;
};

}  // namespace tutti::data
