// Our side of beams_bench.py: diverse beams over a trie of random IDs, Flan-T5-small's shape.
//   beams_bench ids TRACKS CODES                            prints the IDs, for the peer
//   beams_bench search TRACKS CODES BEAM GROUPS PENALTY THREADS TITLES CALLS
//                                                           times calls of TITLES titles each
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "data/tokenizer.h"
#include "dist/runtime/rng.h"
#include "ids/id_table.h"
#include "ids/trie.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/models/t5.h"

namespace tutti::bench {
namespace {

constexpr int kLevels = 3;

// Three random codes and a suffix; at 200k tracks and 256 codes nearly all are alone.
ids::IdTable random_table(int64_t num_tracks, int32_t num_codes) {
  ids::IdTable table;
  for (int32_t l = 0; l < kLevels; ++l) table.levels.push_back({l * num_codes, num_codes});
  std::vector<int32_t> suffix_of(static_cast<size_t>(num_codes) * num_codes * num_codes, 0);
  Rng rng(1, Purpose::kTest);
  int32_t num_suffixes = 1;
  for (int64_t t = 0; t < num_tracks; ++t) {
    int64_t code = 0;
    for (int32_t l = 0; l < kLevels; ++l) {
      const auto c = static_cast<int32_t>(rng.below(num_codes));
      code = code * num_codes + c;
      table.tokens.push_back(l * num_codes + c);
    }
    const int32_t suffix = suffix_of[code]++;
    num_suffixes = std::max(num_suffixes, suffix + 1);
    table.tokens.push_back(kLevels * num_codes + suffix);
    table.offsets.push_back(std::ssize(table.tokens));
  }
  table.levels.push_back({kLevels * num_codes, num_suffixes});
  return table;
}

std::vector<std::string> titles_of(int64_t count) {
  const std::vector<std::string> words = {"rainy",  "evening", "piano", "chill",   "acoustic",
                                          "summer", "drive",   "rock",  "classic", "dance"};
  std::vector<std::string> titles;
  Rng rng(2, Purpose::kTest);
  for (int64_t i = 0; i < count; ++i) {
    std::vector<std::string> title;
    for (int w = 0; w < 4; ++w) title.push_back(words[rng.below(words.size())]);
    titles.push_back(fmt::format("{}", fmt::join(title, " ")));
  }
  return titles;
}

int run(const std::vector<std::string>& args) {
  const auto number = [&args](size_t i) { return std::stoll(args.at(i)); };
  const ids::IdTable table = random_table(number(1), static_cast<int32_t>(number(2)));
  if (args[0] == "ids") {
    for (int64_t t = 0; t < table.num_tracks(); ++t)
      fmt::print("{}\n", fmt::join(table.id_of(t), " "));
    return 0;
  }
  at::set_num_threads(static_cast<int>(number(6)));
  trainer::T5Config config;
  config.text_rows = 32128;
  config.id_tokens = table.num_tokens();
  config.d_model = 512, config.d_kv = 64, config.num_heads = 6, config.d_ff = 1024;
  config.num_layers = config.num_decoder_layers = 8;
  trainer::T5Model model(config);
  model.initialize(1);
  const std::vector<std::string> vocabulary_titles = titles_of(500);
  const auto tokenizer = data::Tokenizer::from_bytes(
      data::train_sentencepiece(vocabulary_titles,
                                std::vector<int64_t>(vocabulary_titles.size(), 1),
                                {.num_pieces = 300}),
      "bench");
  const ids::Trie trie = ids::build_trie(table);
  const int64_t num_titles = number(7), calls = number(8);
  const int k = 10;
  trainer::GenerativeRanker ranker(model, tokenizer, table, trie,
                                   {.beam = static_cast<int>(number(3)),
                                    .groups = static_cast<int>(number(4)),
                                    .diversity = std::stod(args.at(5)),
                                    .titles_at_once = static_cast<int>(num_titles)});
  const std::vector<std::string> titles = titles_of(num_titles * (calls + 1));
  const auto ask = [&](int64_t call) {
    return ranker.rank(std::span(titles).subspan(call * num_titles, num_titles), k);
  };
  ask(calls);  // memory is allocated, oneDNN compiles its kernels
  std::vector<double> seconds;
  int64_t distinct = 0;
  for (int64_t call = 0; call < calls; ++call) {
    const auto start = std::chrono::steady_clock::now();
    const auto lists = ask(call);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    for (const auto& list : lists) {
      std::set<int32_t> tracks;
      for (const auto& r : list) tracks.insert(r.track);
      distinct += std::ssize(tracks);
    }
  }
  fmt::print("{}\n",
             nlohmann::json{{"call_seconds", seconds},
                            {"distinct_share", static_cast<double>(distinct) /
                                                   static_cast<double>(k * num_titles * calls)}}
                 .dump());
  return 0;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  return tutti::bench::run({argv + 1, argv + argc});
}
