#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace tutti::launch {

inline nlohmann::json scored_row(const std::string& name, double hits, double p) {
  return {{"ranker", name},
          {"metrics",
           {{"hits@1", {{"mean", hits / 10}, {"low", hits / 20}, {"high", hits / 5}}},
            {"hits@10", {{"mean", hits}, {"low", hits - 0.1}, {"high", hits + 0.1}}},
            {"distinct_artists@10", {{"mean", 4}, {"low", 3}, {"high", 5}}}}},
          {"against_best",
           {{"difference", -0.2},
            {"low", -0.3},
            {"high", -0.1},
            {"p_value", p},
            {"corrected_p_value", p},
            {"effect_size", -0.5}}},
          {"titles_per_second", 0}};
}

// What `tutti evaluate --json` writes: two sets of queries; on the first BM25 is better.
inline nlohmann::json scores_document() {
  const auto block = [](const char* name, int best, double baseline, double model, double p) {
    return nlohmann::json{
        {"name", name},
        {"meaning", "what is asked"},
        {"queries", 20},
        {"titles", 10},
        {"candidates", 30},
        {"best", best},
        {"rows", {scored_row("BM25", baseline, p), scored_row("generative", model, p)}}};
  };
  return {{"heading", {"SIMULATED playlists"}},
          {"k", 10},
          {"blocks",
           {block("seen titles", 0, 1.0, 0.5, 0.01), block("unseen titles", 1, 0.5, 0.6, 0.4)}},
          {"notes", nlohmann::json::array()},
          {"dataset", "d0d0d0d0d0d0d0d0"},
          {"simulated", true},
          {"id_table", "1d1d1d1d1d1d1d1d"},
          {"checkpoint", {{"hash", "c0c0c0c0c0c0c0c0"}, {"step", 7}}},
          {"options", {{"split", "test"}, {"beam", 10}, {"max_queries", 20}, {"seed", 0}}}};
}

}  // namespace tutti::launch
