#include "launch/report/examples.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "data/import/text_reader.h"
#include "dist/runtime/errors.h"
#include "launch/evaluate/outputs.h"
#include "trainer/evaluate/trec_files.h"

namespace tutti::launch {
namespace {

namespace fs = std::filesystem;

// The queries of NAME.topics.tsv; what is right is read apart.
trainer::QuerySet read_topics(const fs::path& path, const std::string& stem) {
  trainer::QuerySet queries;
  queries.name = stem;
  data::TextReader file(path.string());
  std::string line;
  while (file.next_line(&line)) {
    const size_t tab = line.find('\t');
    const std::string expected = fmt::format("{}-{}<TAB>title", stem, std::ssize(queries.titles));
    if (tab == std::string::npos ||
        line.substr(0, tab) != fmt::format("{}-{}", stem, std::ssize(queries.titles))) {
      throw DataError({file.path(), fmt::format("line {}", file.line()), line.substr(0, tab),
                       expected, "write the topics with tutti evaluate --dump-run"});
    }
    queries.title_of.push_back(static_cast<int32_t>(queries.titles.size()));
    queries.titles.push_back(line.substr(tab + 1));
  }
  return queries;
}

// Relevant docnos by topic.
std::map<std::string, std::set<std::string>> read_qrels(const fs::path& path) {
  std::map<std::string, std::set<std::string>> relevant;
  data::TextReader file(path.string());
  std::string line;
  while (file.next_line(&line)) {
    std::istringstream fields(line);
    std::string topic, iteration, docno;
    int relevance = 0;
    if (!(fields >> topic >> iteration >> docno >> relevance)) {
      throw DataError({file.path(), fmt::format("line {}", file.line()), line.substr(0, 60),
                       "topic 0 docno relevance", ""});
    }
    if (relevance > 0) relevant[topic].insert(docno);
  }
  return relevant;
}

// The run files of a set of queries, sorted by name.
std::vector<fs::path> run_files(const fs::path& folder, const std::string& stem) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(stem + ".") && name.ends_with(".run")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<ExamplePrompt> read_examples(const std::string& folder, const data::Dataset& dataset,
                                         int64_t per_block, int64_t places) {
  constexpr std::string_view kTopics = ".topics.tsv";
  std::vector<fs::path> topic_files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with(kTopics)) topic_files.push_back(entry.path());
  }
  std::sort(topic_files.begin(), topic_files.end());

  const auto& catalog = dataset.catalog();
  const trainer::TrecNames names(catalog.track_keys);
  std::vector<ExamplePrompt> examples;
  for (const auto& topics : topic_files) {
    std::string stem = topics.filename().string();
    stem.resize(stem.size() - kTopics.size());
    const auto queries = read_topics(topics, stem);
    if (queries.size() == 0) continue;
    const auto relevant = read_qrels(fs::path(folder) / (stem + ".qrels"));
    const int64_t count = std::min(per_block, queries.size());
    const size_t first = examples.size();
    std::vector<int64_t> chosen;
    for (int64_t i = 0; i < count; ++i) chosen.push_back(i * queries.size() / count);
    std::string block = stem;
    std::replace(block.begin(), block.end(), '_', ' ');
    for (const int64_t query : chosen) {
      const auto found = relevant.find(trainer::TrecNames::topic(queries, query));
      examples.push_back({.block = block,
                          .prompt = queries.titles[static_cast<size_t>(query)],
                          .num_relevant = found == relevant.end() ? 0 : std::ssize(found->second),
                          .systems = {}});
    }
    for (const auto& file : run_files(folder, stem)) {
      const auto run = trainer::read_trec_run(file, queries, names);
      for (size_t i = 0; i < chosen.size(); ++i) {
        ExampleSystem system{.name = run.tag, .tracks = {}, .is_hit = {}};
        const auto found = relevant.find(trainer::TrecNames::topic(queries, chosen[i]));
        for (const auto& item : run.lists[static_cast<size_t>(chosen[i])]) {
          if (std::ssize(system.tracks) == places) break;
          system.tracks.push_back(track_words(catalog, item.track));
          system.is_hit.push_back(found != relevant.end() &&
                                  found->second.contains(names.docno(item.track)));
        }
        examples[first + i].systems.push_back(std::move(system));
      }
    }
  }
  return examples;
}

}  // namespace tutti::launch
