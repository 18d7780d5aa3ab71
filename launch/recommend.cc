#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/catalog.h"
#include "dist/runtime/errors.h"
#include "ids/id_table.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/search_options.h"
#include "launch/text_table.h"
#include "launch/trained_system.h"
#include "trainer/evaluate/ranker.h"

namespace tutti::launch {

namespace {

struct RecommendArgs {
  std::string run, ids, dataset;
  std::vector<std::string> prompts;
  SearchOptions search;
  int k = 10, threads = 1;
  bool json = false;
};

void declare(Options& options, RecommendArgs& a) {
  options.require("run", &a.run, "run folder (its newest checkpoint) or checkpoint folder")
      .require("ids", &a.ids, "ID table folder that the run was trained with")
      .require("dataset", &a.dataset, "dataset folder: keys, artists and tags of the tracks")
      .add("k", &a.k, "tracks a prompt");
  a.search.declare(options);
  options.add("json", &a.json, "print a JSON document")
      .add("threads", &a.threads, "threads")
      .positional("prompt", &a.prompts, "what the listener says; one or more");
}

void check(const RecommendArgs& a) {
  require_at_least("--k", a.k, 1);
  require_at_least("--threads", a.threads, 1);
  a.search.check();
  for (const auto& prompt : a.prompts) {
    if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
      throw UsageError(Problem{"", "prompt", "'" + prompt + "'", "some words", ""});
    }
  }
}

// A recommended track as its catalog knows it.
struct Shown {
  std::string key, name, artist;
  std::vector<std::string> tags, id_tokens;
};

Shown show(const data::Catalog& catalog, const ids::IdTable& table, int32_t track) {
  Shown s;
  s.key = catalog.track_keys[track];
  s.name = catalog.track_names[track];
  if (const int32_t artist = catalog.track_artist[track]; artist >= 0) {
    s.artist = catalog.artist_names[artist];
    if (s.artist.empty()) s.artist = catalog.artist_keys[artist];
  }
  for (int32_t tag : catalog.tags_of(track)) s.tags.emplace_back(catalog.tag_names[tag]);
  for (int32_t token : table.id_of(track)) s.id_tokens.push_back(table.token_name(token));
  return s;
}

// A few of the words, so that a line fits a screen; --json has them all.
std::string first_words(const std::vector<std::string>& words) {
  constexpr size_t kShown = 4;
  std::string text;
  for (size_t i = 0; i < std::min(words.size(), kShown); ++i) {
    text += (i > 0 ? ", " : "") + words[i];
  }
  return words.size() > kShown ? text + fmt::format(" +{}", words.size() - kShown) : text;
}

std::string as_text(const std::string& prompt,
                    const std::vector<trainer::Recommendation>& recommendations,
                    const data::Catalog& catalog, const ids::IdTable& table) {
  std::vector<std::vector<std::string>> rows = {
      {"", "track", "", "artist", "tags", "ID tokens", "score"}};
  for (size_t i = 0; i < recommendations.size(); ++i) {
    const Shown s = show(catalog, table, recommendations[i].track);
    rows.push_back({fmt::format("{:>4}", i + 1), s.key, s.name, s.artist, first_words(s.tags),
                    fmt::format("{}", fmt::join(s.id_tokens, "")),
                    fmt::format("{:.3f}", recommendations[i].score)});
  }
  return fmt::format("\"{}\"\n{}", prompt, align_columns(rows));
}

nlohmann::json as_json(const std::string& prompt,
                       const std::vector<trainer::Recommendation>& recommendations,
                       const data::Catalog& catalog, const ids::IdTable& table) {
  nlohmann::json list = nlohmann::json::array();
  for (size_t i = 0; i < recommendations.size(); ++i) {
    const Shown s = show(catalog, table, recommendations[i].track);
    list.push_back({{"rank", i + 1},
                    {"track", s.key},
                    {"name", s.name},
                    {"artist", s.artist},
                    {"tags", s.tags},
                    {"id_tokens", s.id_tokens},
                    {"score", recommendations[i].score}});
  }
  return {{"prompt", prompt}, {"recommendations", std::move(list)}};
}

}  // namespace

int run_recommend(const std::vector<std::string>& args, Communicator& comm) {
  RecommendArgs a;
  Options options("recommend", "Words in, tracks out: what a trained model gives for each prompt.",
                  "tutti recommend --run run --ids ids --dataset data \"rainy evening piano\"");
  declare(options, a);
  if (!options.parse(args)) return 0;
  check(a);
  if (!comm.is_root()) return 0;  // a few prompts are no work to share
  at::set_num_threads(a.threads);

  const TrainedSystem system = open_trained_system(a.dataset, a.ids, a.run);
  const data::Catalog& catalog = system.dataset.catalog();
  const auto lists = system.ranker(a.search).rank(a.prompts, a.k);
  nlohmann::json document = nlohmann::json::array();
  for (size_t i = 0; i < lists.size(); ++i) {
    if (a.json) {
      document.push_back(as_json(a.prompts[i], lists[i], catalog, system.ids.table));
    } else {
      fmt::print("{}{}", i > 0 ? "\n" : "",
                 as_text(a.prompts[i], lists[i], catalog, system.ids.table));
    }
  }
  if (a.json) {
    const auto replace = nlohmann::json::error_handler_t::replace;  // a prompt may be any bytes
    fmt::print("{}\n", document.dump(2, ' ', false, replace));
  }
  return 0;
}

}  // namespace tutti::launch
