#include "data/import/text_reader.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

#include "dist/runtime/errors.h"

namespace tutti::data {

TextReader::TextReader(const std::filesystem::path& path) : path_(path.string()), buffer_(1 << 18) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw DataError({path_, "", "no such file", "", ""});
  if (std::filesystem::is_directory(status)) throw DataError({path_, "", "a folder", "a file", ""});
  file_bytes_ = static_cast<int64_t>(std::filesystem::file_size(path, error));
  errno = 0;
  file_ = gzopen(path_.c_str(), "rb");
  if (file_ == nullptr) {
    throw DataError({path_, "", std::string("cannot be opened: ") + std::strerror(errno), "", ""});
  }
  gzbuffer(file_, 1 << 17);
}

TextReader::~TextReader() {
  if (file_ != nullptr) gzclose_r(file_);
}

bool TextReader::fill() {
  const int count = gzread(file_, buffer_.data(), static_cast<unsigned>(buffer_.size()));
  at_ = 0;
  end_ = count > 0 ? static_cast<size_t>(count) : 0;
  if (count > 0) return true;
  int code = Z_OK;
  const char* message = gzerror(file_, &code);
  if (code == Z_BUF_ERROR) {
    throw DataError({path_, fmt::format("byte {}", file_bytes_), "truncated gzip", "",
                     "copy or download the file again"});
  }
  if (count < 0) {
    const std::string why = code == Z_ERRNO ? std::strerror(errno) : message;
    throw DataError({path_, fmt::format("byte {}", gzoffset(file_)), "damaged gzip: " + why, "",
                     "copy or download the file again"});
  }
  return false;
}

bool TextReader::next_line(std::string* line) {
  line->clear();
  if (at_ == end_ && !fill()) return false;
  for (;;) {
    const char* begin = buffer_.data() + at_;
    const auto* stop = static_cast<const char*>(std::memchr(begin, '\n', end_ - at_));
    const size_t length = stop != nullptr ? static_cast<size_t>(stop - begin) : end_ - at_;
    line->append(begin, length);
    at_ += length + (stop != nullptr ? 1 : 0);
    if (stop != nullptr || !fill()) break;
  }
  if (!line->empty() && line->back() == '\r') line->pop_back();
  ++line_;
  return true;
}

std::string TextReader::rest() {
  std::string text;
  do {
    text.append(buffer_.data() + at_, end_ - at_);
    at_ = end_;
  } while (fill());
  return text;
}

double TextReader::fraction() const {
  if (file_bytes_ == 0) return 1;
  return static_cast<double>(gzoffset(file_)) / static_cast<double>(file_bytes_);
}

}  // namespace tutti::data
