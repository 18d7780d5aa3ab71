// Our side of bm25_bench.py.
//   bm25_bench DOCUMENTS QUERIES K1 B K    documents and queries a line each, plain words
// Prints the time to index and to answer, and the results of every query.
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "trainer/baselines/bm25.h"

namespace tutti::bench {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(const std::vector<std::string>& args) {
  const std::vector<std::string> documents = lines_of(args.at(0)), queries = lines_of(args.at(1));
  const trainer::Bm25Parameters parameters{std::stod(args.at(2)), std::stod(args.at(3))};
  const int k = std::stoi(args.at(4));

  // A document is a playlist of one track, titled with its words.
  data::TitleTable titles;
  data::PlaylistBlock block;
  for (size_t i = 0; i < documents.size(); ++i) {
    titles.raw.push_back(documents[i]);
    titles.normalized.push_back(documents[i]);
    titles.normalized_of.push_back(static_cast<int32_t>(i));
    titles.train_playlists_of.push_back(1);
    block.titles.push_back(static_cast<int32_t>(i));
    block.tracks.push_back(static_cast<int32_t>(i));
    block.offsets.push_back(static_cast<int64_t>(i) + 1);
    block.parts.push_back(data::Part::kTrain);
  }
  const auto indexing = std::chrono::steady_clock::now();
  const auto index =
      trainer::Bm25Index::build(titles, std::ssize(documents),
                                [&block](const trainer::BlockVisitor& visit) { visit(block); });
  const trainer::PopularityRanker popularity(std::vector<int32_t>(documents.size(), 1));
  trainer::Bm25Ranker ranker(index, popularity, parameters);
  const double index_s = seconds_since(indexing);

  ranker.rank(std::span(queries).first(std::min<size_t>(queries.size(), 10)), k);
  const auto asking = std::chrono::steady_clock::now();
  const auto lists = ranker.rank(queries, k);
  const double query_s = seconds_since(asking);
  nlohmann::json results = nlohmann::json::array();
  for (const auto& list : lists) {
    nlohmann::json scores = nlohmann::json::array();
    for (const auto& r : list) scores.push_back({r.track, r.score});
    results.push_back(std::move(scores));
  }
  fmt::print("{}\n",
             nlohmann::json{{"index_s", index_s},
                            {"queries_per_s", static_cast<double>(queries.size()) / query_s},
                            {"results", std::move(results)}}
                 .dump());
  return 0;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  return tutti::bench::run({argv + 1, argv + argc});
}
