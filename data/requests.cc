#include "data/requests.h"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "data/import/text_reader.h"
#include "data/normalizer.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::data {

extern const char* const kBundledRequests;  // data/requests.txt, see data/CMakeLists.txt

namespace {

constexpr std::string_view kPlace = "{}";

// A word that no template holds, so that "play {}" and "{} play" stay different.
std::string compared(const std::string& request) {
  return normalize_title(as_request(request, " \U0001F3B5 "));
}

std::string_view trimmed(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// Takes a file of templates line by line.
class TemplateLines {
 public:
  TemplateLines(std::string file, RequestTemplates* templates)
      : file_(std::move(file)), templates_(templates) {
    for (const auto& request : templates->training) training_.insert(compared(request));
    for (const auto& request : templates->evaluation) evaluation_.insert(compared(request));
  }

  void take(std::string_view raw, int64_t line) {
    const std::string text(trimmed(raw));
    if (text.empty() || text.front() == '#') return;
    if (text.front() == '[') {
      if (text != "[training]" && text != "[evaluation]") {
        refuse(line, text, "[training] or [evaluation]", "");
      }
      section_ = text;
      return;
    }
    if (section_.empty()) refuse(line, text, "[training] or [evaluation] in front of it", "");
    const size_t place = text.find(kPlace);
    if (place == std::string::npos || text.find(kPlace, place + 1) != std::string::npos) {
      refuse(line, text, "{} once, where the title goes", "");
    }
    const bool trains = section_ == "[training]";
    const std::string key = compared(text);
    if ((trains ? evaluation_ : training_).contains(key)) {
      refuse(line, text, fmt::format("a template that is not in the other list"),
             "evaluation asks with words that training did not use; leave it out of one");
    }
    if (!(trains ? training_ : evaluation_).insert(key).second) return;
    (trains ? templates_->training : templates_->evaluation).push_back(text);
  }

 private:
  [[noreturn]] void refuse(int64_t line, const std::string& found, const std::string& expected,
                           const std::string& cure) const {
    throw DataError(
        Problem{file_, fmt::format("line {}", line), "'" + found + "'", expected, cure});
  }

  std::string file_, section_;
  RequestTemplates* templates_;
  std::set<std::string> training_, evaluation_;
};

}  // namespace

RequestTemplates bundled_requests() {
  RequestTemplates templates;
  TemplateLines lines("data/requests.txt", &templates);
  std::istringstream text(kBundledRequests);
  int64_t number = 0;
  for (std::string line; std::getline(text, line);) lines.take(line, ++number);
  return templates;
}

void add_requests(const std::filesystem::path& path, RequestTemplates* templates) {
  TemplateLines lines(path.string(), templates);
  TextReader file(path.string());
  for (std::string line; file.next_line(&line);) lines.take(line, file.line());
}

void require_apart(const std::vector<std::string>& training,
                   const std::vector<std::string>& evaluation, const std::string& origin) {
  std::set<std::string> trained;
  for (const auto& request : training) trained.insert(compared(request));
  for (const auto& request : evaluation) {
    if (!trained.contains(compared(request))) continue;
    throw DataError(Problem{origin, "requests", "'" + request + "'",
                            "a template that the model was not trained with",
                            "take it out of the [evaluation] list"});
  }
}

std::vector<std::string> training_requests(double share, const std::string& path) {
  if (!(share >= 0 && share <= 1)) {
    throw UsageError(Problem{"", "--request-share", fmt::format("{}", share), "0 to 1", ""});
  }
  if (share == 0 && !path.empty()) {
    throw UsageError(Problem{"", "--requests", path, "none where --request-share is 0", ""});
  }
  if (share == 0) return {};
  RequestTemplates templates = bundled_requests();
  if (!path.empty()) add_requests(path, &templates);
  return templates.training;
}

std::string as_request(std::string_view request, std::string_view title) {
  const size_t place = request.find(kPlace);
  TUTTI_CHECK(place != std::string_view::npos, "a template has a place for the title");
  std::string text(request.substr(0, place));
  return text.append(title).append(request.substr(place + kPlace.size()));
}

int64_t request_of(uint64_t seed, int64_t playlist, double share, int64_t count) {
  if (share <= 0 || count == 0) return -1;
  Rng rng(seed, Purpose::kRequest, static_cast<uint64_t>(playlist));
  if (rng.uniform() >= share) return -1;
  return static_cast<int64_t>(rng.below(static_cast<uint64_t>(count)));
}

}  // namespace tutti::data
