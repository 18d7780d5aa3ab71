#include "trainer/evaluate/trec_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <fmt/format.h>

#include "data/import/text_reader.h"
#include "data/string_index.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"

namespace tutti::trainer {
namespace {

constexpr size_t kWriteBytes = 1 << 20;

// A text file written in pieces.
class LineWriter {
 public:
  explicit LineWriter(std::filesystem::path path) : path_(std::move(path)) {
    write_file(path_, "");
  }
  std::back_insert_iterator<std::string> out() {
    if (text_.size() >= kWriteBytes) flush();
    return std::back_inserter(text_);
  }
  void flush() {
    write_file(path_, text_, std::ios::app);
    text_.clear();
  }

 private:
  std::filesystem::path path_;
  std::string text_;
};

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f || c == '%') {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", byte);
    } else {
      encoded.push_back(c);
    }
  }
  return encoded;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      decoded.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

// The blank-separated fields of a line; at most one more than wanted.
std::vector<std::string_view> fields_of(std::string_view line, size_t wanted) {
  std::vector<std::string_view> fields;
  constexpr std::string_view kBlanks = " \t";
  for (size_t at = line.find_first_not_of(kBlanks);
       at != std::string_view::npos && fields.size() <= wanted;) {
    const size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return fields;
}

struct RunLine {
  std::string_view topic, docno, tag;
  double score = 0;
};

RunLine parse_run_line(const data::TextReader& file, std::string_view line) {
  const auto fail = [&](std::string_view found, std::string expected) {
    throw DataError(Problem{file.path(), fmt::format("line {}", file.line()), std::string(found),
                            std::move(expected), ""});
  };
  const auto fields = fields_of(line, 6);
  if (fields.size() != 6) {
    fail(
        fmt::format("{} fields", fields.size() > 6 ? "more than 6" : std::to_string(fields.size())),
        "six: qid Q0 docno rank score tag");
  }
  double score = 0;
  const auto parsed = std::from_chars(fields[4].data(), fields[4].data() + fields[4].size(), score);
  if (parsed.ec != std::errc() || parsed.ptr != fields[4].data() + fields[4].size() ||
      !std::isfinite(score)) {
    fail(fields[4], "a finite score in the fifth field");
  }
  return {.topic = fields[0], .docno = fields[2], .tag = fields[5], .score = score};
}

}  // namespace

std::string TrecNames::topic(const QuerySet& queries, int64_t query) {
  std::string name = queries.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return fmt::format("{}-{}", name, query);
}

std::string TrecNames::docno(int32_t track) const {
  return percent_encoded((*track_keys_)[track]);
}

void write_trec_run(const std::filesystem::path& path, const QuerySet& queries,
                    std::span<const std::vector<Recommendation>> lists, const TrecNames& names,
                    const std::string& tag) {
  LineWriter file(path);
  for (int64_t query = 0; query < queries.size(); ++query) {
    const std::string topic = TrecNames::topic(queries, query);
    float above = std::numeric_limits<float>::infinity();
    int64_t rank = 0;
    for (const Recommendation& item : lists[queries.title_of[query]]) {
      const float score = item.score < above
                              ? item.score
                              : std::nextafter(above, -std::numeric_limits<float>::infinity());
      fmt::format_to(file.out(), "{} Q0 {} {} {:.9g} {}\n", topic, names.docno(item.track), ++rank,
                     score, tag);
      above = score;
    }
  }
  file.flush();
}

void write_trec_qrels(const std::filesystem::path& path, const QuerySet& queries,
                      const TrecNames& names) {
  LineWriter file(path);
  for (int64_t query = 0; query < queries.size(); ++query) {
    const std::string topic = TrecNames::topic(queries, query);
    for (const int32_t track : queries.relevant_of(query)) {
      fmt::format_to(file.out(), "{} 0 {} 1\n", topic, names.docno(track));
    }
  }
  file.flush();
}

void write_trec_topics(const std::filesystem::path& path, const QuerySet& queries) {
  LineWriter file(path);
  for (int64_t query = 0; query < queries.size(); ++query) {
    std::string title = queries.titles[queries.title_of[query]];
    std::replace_if(
        title.begin(), title.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; },
        ' ');
    fmt::format_to(file.out(), "{}\t{}\n", TrecNames::topic(queries, query), title);
  }
  file.flush();
}

TrecRun read_trec_run(const std::filesystem::path& path, const QuerySet& queries,
                      const TrecNames& names) {
  std::unordered_map<std::string, int64_t> query_of;  // looked up, never walked
  for (int64_t query = 0; query < queries.size(); ++query) {
    query_of.emplace(TrecNames::topic(queries, query), query);
  }
  const data::StringIndex tracks(names.track_keys());

  struct Item {
    int32_t track;
    float score;  // as trec_eval keeps it
  };
  std::vector<std::vector<Item>> items(queries.size());
  TrecRun run;
  data::TextReader file(path);
  std::string line;
  while (file.next_line(&line)) {
    if (line.empty()) continue;
    const RunLine fields = parse_run_line(file, line);
    const auto query = query_of.find(std::string(fields.topic));
    if (query == query_of.end()) continue;
    const int32_t track = tracks.find(names.track_keys(), percent_decoded(fields.docno));
    if (track < 0) {
      throw DataError(Problem{file.path(), fmt::format("line {}", file.line()),
                              std::string(fields.docno), "the key of a track of the dataset", ""});
    }
    if (run.tag.empty()) run.tag = fields.tag;
    items[query->second].push_back({track, static_cast<float>(fields.score)});
  }
  if (run.tag.empty() && queries.size() > 0) {
    throw DataError(Problem{file.path(), "", "no line of a topic of the set",
                            fmt::format("topics like '{}'", TrecNames::topic(queries, 0)),
                            "write the topics with --dump-run and answer those"});
  }

  run.lists.resize(queries.size());
  for (int64_t query = 0; query < queries.size(); ++query) {
    auto& list = items[query];
    run.unanswered += list.empty() ? 1 : 0;
    std::sort(list.begin(), list.end(), [&](const Item& a, const Item& b) {
      return a.score != b.score ? a.score > b.score : names.docno(a.track) > names.docno(b.track);
    });
    std::vector<int32_t> seen;
    for (const Item& item : list) {
      run.lists[query].push_back({item.track, item.score});
      seen.push_back(item.track);
    }
    std::sort(seen.begin(), seen.end());
    const auto twice = std::adjacent_find(seen.begin(), seen.end());
    if (twice != seen.end()) {
      throw DataError(Problem{file.path(), "topic " + TrecNames::topic(queries, query),
                              "track " + names.docno(*twice) + " twice", "a track once a topic",
                              ""});
    }
  }
  return run;
}

}  // namespace tutti::trainer
