#include "launch/ids_build_catalog.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "checkpoints/import/llama.h"
#include "data/dataset.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "ids/trie.h"
#include "launch/option_checks.h"
#include "launch/train/known_bases.h"

namespace tutti::launch {
namespace {

constexpr const char* kCatalogOptions[] = {"integer-tokens", "vocabulary", "pieces", "longest"};

// That of a base, or a file.
data::Tokenizer read_vocabulary(const std::string& given) {
  const std::filesystem::path path = find_base(given, "--vocabulary");
  const bool is_file = std::filesystem::is_regular_file(path);
  if (is_file && path.extension() != ".gguf") return data::Tokenizer::from_file(path.string());
  if (!is_file && !checkpoints::LlamaSource::is_at(path)) {
    return data::Tokenizer::from_folder(path);
  }
  return data::Tokenizer::from_bytes(checkpoints::LlamaSource::open(path).tokenizer_json(),
                                     path.string());
}

// What shapes such a table; options of semantic IDs are not among it.
nlohmann::json config_of(const CatalogIdArgs& a) {
  const bool is_named = a.ids.strategy == ids::CatalogStrategy::kArtistTrackName;
  nlohmann::json config = {{"strategy", a.strategy}};
  if (!is_named) {
    config["integer-tokens"] = a.ids.integer_tokens;
    config["seed"] = a.ids.seed;
  }
  if (is_named && a.vocabulary.empty()) config["pieces"] = a.ids.num_pieces;
  if (is_named || !a.vocabulary.empty()) config["longest"] = a.ids.longest;
  return config;
}

void print_table(const CatalogIdArgs& a, const ids::CatalogIds& ids) {
  const ids::IdTable& table = ids.table;
  if (a.ids.strategy == ids::CatalogStrategy::kArtistTrackName) {
    fmt::print(
        "{} of {} tracks share their name with another one; of those all but the most popular got "
        "a number behind it. {} names were cut\n",
        ids.coinciding, table.num_tracks(), ids.cut);
  }
  if (table.token_pieces.pieces.empty()) return;
  int64_t known = 0;
  for (const int32_t piece : table.token_pieces.pieces) known += piece >= 0 ? 1 : 0;
  fmt::print("{} of {} tokens are pieces of {}: a --base with this vocabulary has rows for them\n",
             known, table.num_tokens(), a.vocabulary);
}

}  // namespace

void declare_catalog_options(Options& options, CatalogIdArgs& a) {
  options
      .add("integer-tokens", &a.ids.integer_tokens,
           "strategies of integers: each number is a token of its own, not its digits")
      .add("vocabulary", &a.vocabulary,
           "names and integers as text in the pieces of this vocabulary: a spiece.model, a "
           "tokenizer.json, or what --base of train takes; empty: names in pieces of their own, "
           "integers in digits")
      .add("pieces", &a.ids.num_pieces,
           "artist-track-name without --vocabulary: size of the vocabulary made of names, at most")
      .add("longest", &a.ids.longest, "pieces of a name that count");
}

void check(CatalogIdArgs& a, const std::string& embeddings) {
  require_one_of("--strategy", a.strategy,
                 {"semantic", "track-integer", "artist-track-integer", "artist-track-name"});
  if (a.is_semantic()) {
    if (embeddings.empty()) {
      throw UsageError(
          {"", "--embeddings", "nothing", "the vectors that semantic IDs are the codes of", ""});
    }
    if (a.ids.integer_tokens) {
      throw UsageError(
          {"", "--integer-tokens", "beside --strategy semantic", "a strategy of integers", ""});
    }
    if (!a.vocabulary.empty()) {
      throw UsageError({"", "--vocabulary", a.vocabulary, "none with --strategy semantic",
                        "its tokens are codes, not text"});
    }
    return;
  }
  if (!embeddings.empty()) {
    throw UsageError({"", "--embeddings", embeddings,
                      "none: IDs by --strategy " + a.strategy + " need no vectors", ""});
  }
  a.ids.strategy = *ids::catalog_strategy_from_name(a.strategy);
}

void require_no_other_options(const CatalogIdArgs& a, const nlohmann::json& given,
                              const nlohmann::json& usual) {
  const bool is_named = a.strategy == "artist-track-name", in_pieces = !a.vocabulary.empty();
  std::set<std::string> known = {"dataset", "out",       "strategy",
                                 "threads", "overwrite", "vocabulary"};
  if (is_named || in_pieces) known.insert("longest");
  if (is_named && !in_pieces) known.insert("pieces");
  if (!is_named) known.insert({"seed", "integer-tokens"});
  for (const auto& [name, value] : given.items()) {
    const bool is_catalog = std::ranges::find(kCatalogOptions, name) != std::end(kCatalogOptions);
    const bool counts = a.is_semantic() ? !is_catalog : known.contains(name);
    if (counts || value == usual.at(name)) continue;
    throw UsageError({"", "--" + name, value.dump(),
                      fmt::format("none with --strategy {}{}", a.strategy,
                                  is_named && in_pieces ? " and --vocabulary" : ""),
                      "it does not shape these IDs; leave it out"});
  }
}

void erase_catalog_options(nlohmann::json* config) {
  for (const char* key : kCatalogOptions) config->erase(key);
}

void build_catalog_table(const CatalogIdArgs& a, const std::string& dataset_path,
                         const std::string& out, bool overwrite, Communicator& comm) {
  if (!comm.is_root()) return;
  const auto dataset = data::Dataset::open(dataset_path);
  ids::CatalogIdOptions options = a.ids;
  std::optional<data::Tokenizer> vocabulary;
  if (!a.vocabulary.empty()) {
    options.tokenizer = &vocabulary.emplace(read_vocabulary(a.vocabulary));
  }
  const auto ids = ids::build_catalog_ids(dataset.catalog(), dataset.train_counts(), options);
  ids::build_trie(ids.table);  // throws when an ID is not a track's alone
  ids::IdTableExtras extras;
  extras.report = {{"tracks", ids.table.num_tracks()},
                   {"mean_tokens", ids.table.mean_length()},
                   {"longest", ids.table.id_length()},
                   {"coinciding", ids.coinciding},
                   {"cut", ids.cut}};
  extras.config = config_of(a);
  extras.made_from = {{"dataset", dataset.manifest().hash}};
  if (options.tokenizer != nullptr) {
    extras.made_from["vocabulary"] = ids.table.token_pieces.vocabulary;
  }
  const auto written = ids::write_id_table(out, ids.table, extras, overwrite);
  print_table(a, ids);
  fmt::print("{}: IDs of {:.2f} tokens on average, at most {}, over {} tokens in all, hash {}\n",
             out, ids.table.mean_length(), ids.table.id_length(), ids.table.num_tokens(),
             written.short_hash());
}

}  // namespace tutti::launch
