#include "ids/catalog_ids.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "data/tokenizer.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"

namespace tutti::ids {
namespace {

constexpr std::pair<CatalogStrategy, const char*> kNames[] = {
    {CatalogStrategy::kArtistTrackName, "artist-track-name"},
    {CatalogStrategy::kArtistTrackInteger, "artist-track-integer"},
    {CatalogStrategy::kTrackInteger, "track-integer"}};

// Streams of Purpose::kIdTokens; index 0 is the trainer's.
constexpr uint64_t kTrackStream = 1, kArtistStream = 2;

struct Numbers {
  int64_t of_artist = 0, of_track = 0;
};

// A number for every artist, and for every track one among its artist's.
std::vector<Numbers> artist_track_numbers(const data::Catalog& catalog, uint64_t seed) {
  const int64_t num_tracks = catalog.num_tracks(), num_artists = catalog.artist_keys.size() + 1;
  const Permutation artists(num_artists, seed, Purpose::kIdTokens, kArtistStream);
  const Permutation tracks(num_tracks, seed, Purpose::kIdTokens, kTrackStream);
  std::vector<int64_t> taken(num_artists, 0);
  std::vector<Numbers> numbers(num_tracks);
  for (int64_t i = 0; i < num_tracks; ++i) {
    const auto track = static_cast<int64_t>(tracks(i));
    const int64_t artist = catalog.track_artist[track] + 1;  // 0: unknown
    numbers[track] = {static_cast<int64_t>(artists(artist)), taken[artist]++};
  }
  return numbers;
}

std::vector<Numbers> track_numbers(int64_t num_tracks, uint64_t seed) {
  const Permutation tracks(num_tracks, seed, Purpose::kIdTokens, kTrackStream);
  std::vector<Numbers> numbers(num_tracks);
  for (int64_t t = 0; t < num_tracks; ++t) numbers[t].of_track = static_cast<int64_t>(tracks(t));
  return numbers;
}

// Artist numbers that occur, counted through: a token for each.
int64_t drop_gaps(std::vector<Numbers>& numbers) {
  std::map<int64_t, int64_t> dense;
  for (const Numbers& n : numbers) dense.emplace(n.of_artist, 0);
  int64_t next = 0;
  for (auto& [number, row] : dense) row = next++;
  for (Numbers& n : numbers) n.of_artist = dense.at(n.of_artist);
  return next;
}

CatalogIds number_token_ids(std::vector<Numbers> numbers, bool with_artist) {
  // The code is the artist and the suffix the track; without artists the code is the track.
  const int64_t num_codes = with_artist ? drop_gaps(numbers) : std::ssize(numbers);
  int64_t num_suffixes = 1;
  for (Numbers& n : numbers) {
    if (!with_artist) n = {n.of_track, 0};
    num_suffixes = std::max(num_suffixes, n.of_track + 1);
  }
  if (num_codes + num_suffixes > INT32_MAX) {
    throw UsageError({"", "--integer-tokens", fmt::format("{} numbers", num_codes + num_suffixes),
                      "tokens that fit 32 bits", "leave it out: digits need ten"});
  }
  CatalogIds ids;
  IdTable& table = ids.table;
  table.levels = {{0, static_cast<int32_t>(num_codes)},
                  {static_cast<int32_t>(num_codes), static_cast<int32_t>(num_suffixes)}};
  for (const Numbers& n : numbers) {
    table.tokens.push_back(static_cast<int32_t>(n.of_artist));
    table.tokens.push_back(static_cast<int32_t>(num_codes + n.of_track));
    table.offsets.push_back(std::ssize(table.tokens));
  }
  return ids;
}

// A token of text before tokens are numbered.
using Symbol = int32_t;
constexpr Symbol kEnd = INT32_MAX;

// IDs as text, whose symbols become tokens in their order, without those that no ID uses. The end
// is the last.
class TextIds {
 public:
  void push(Symbol symbol) { symbols_.push_back(symbol); }
  void push_digits(int64_t number, Symbol zero) {
    for (const char digit : fmt::format("{}", number)) push(zero + (digit - '0'));
  }
  void end_id() {
    push(kEnd);
    longest_ = std::max(longest_, std::ssize(symbols_) - offsets_.back());
    offsets_.push_back(std::ssize(symbols_));
  }

  // `spell`: the name of a symbol but the end. `piece_of`: see TokenPieces; none where no symbol
  // has one.
  template <typename Spell, typename PieceOf>
  CatalogIds finish(const Spell& spell, const PieceOf& piece_of) && {
    std::map<Symbol, int32_t> tokens;
    for (const Symbol symbol : symbols_) tokens.emplace(symbol, 0);
    CatalogIds ids;
    IdTable& table = ids.table;
    bool any_piece = false;
    for (auto& [symbol, token] : tokens) {
      token = static_cast<int32_t>(table.token_names.size());
      table.token_names.push_back(symbol == kEnd ? "<END>" : spell(symbol));
      table.token_pieces.pieces.push_back(piece_of(symbol));
      any_piece |= table.token_pieces.pieces.back() >= 0;
    }
    if (!any_piece) table.token_pieces.pieces.clear();
    for (Symbol& symbol : symbols_) symbol = tokens.at(symbol);
    table.levels.assign(longest_, {0, static_cast<int32_t>(tokens.size())});
    table.offsets = std::move(offsets_);
    table.tokens = std::move(symbols_);
    return ids;
  }

 private:
  std::vector<Symbol> symbols_;
  std::vector<int64_t> offsets_{0};
  int64_t longest_ = 0;
};

CatalogIds digit_ids(const std::vector<Numbers>& numbers, bool with_artist) {
  constexpr Symbol kBetween = 10;
  TextIds text;
  for (const Numbers& n : numbers) {
    if (with_artist) {
      text.push_digits(n.of_artist, 0);
      text.push(kBetween);
    }
    text.push_digits(n.of_track, 0);
    text.end_id();
  }
  return std::move(text).finish(
      [](Symbol symbol) {
        return symbol == kBetween ? std::string("<T__>") : fmt::format("<T_{}>", symbol);
      },
      [](Symbol) { return -1; });
}

std::string full_name(const data::Catalog& catalog, int64_t track) {
  const int32_t artist = catalog.track_artist[track];
  return fmt::format("{} _ {}", artist < 0 ? std::string_view() : catalog.artist_names[artist],
                     catalog.track_names[track]);
}

std::vector<std::string> full_names(const data::Catalog& catalog) {
  std::vector<std::string> names;
  for (int64_t t = 0; t < catalog.num_tracks(); ++t) names.push_back(full_name(catalog, t));
  return names;
}

data::Tokenizer train_pieces(const std::vector<std::string>& names, int32_t num_pieces) {
  const std::vector<int64_t> once(names.size(), 1);
  return data::Tokenizer::from_bytes(
      data::train_sentencepiece(names, once, {.num_pieces = num_pieces}), "names of the catalogue");
}

// Which track of its name a track is, from 1, in order of popularity and key.
std::vector<int64_t> places(const std::vector<std::vector<int32_t>>& pieces,
                            const data::Catalog& catalog, const std::vector<int32_t>& popularity,
                            int64_t* coinciding) {
  std::vector<int32_t> order(pieces.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    if (pieces[a] != pieces[b]) return pieces[a] < pieces[b];
    if (popularity[a] != popularity[b]) return popularity[a] > popularity[b];
    return catalog.track_keys[a] < catalog.track_keys[b];
  });
  std::vector<int64_t> place(pieces.size(), 1);
  for (size_t i = 1; i < order.size(); ++i) {
    if (pieces[order[i]] != pieces[order[i - 1]]) continue;
    place[order[i]] = place[order[i - 1]] + 1;
    *coinciding += place[order[i]] == 2 ? 2 : 1;
  }
  return place;
}

// Texts, one a track, in the pieces of a tokenizer. Those that are equal then get numbers.
CatalogIds piece_ids(const std::vector<std::string>& texts, const data::Tokenizer& tokenizer,
                     const data::Catalog& catalog, const std::vector<int32_t>& popularity,
                     int32_t longest, bool is_known) {
  int64_t cut = 0, coinciding = 0;
  std::vector<std::vector<int32_t>> pieces;
  for (const std::string& text : texts) {
    pieces.push_back(tokenizer.encode_part(text, data::SpecialText::kAsText));
    if (std::ssize(pieces.back()) <= longest) continue;
    pieces.back().resize(longest);
    ++cut;
  }
  const auto place = places(pieces, catalog, popularity, &coinciding);

  // Symbols: pieces, then "#" and the ten digits behind it.
  const Symbol number_sign = tokenizer.num_pieces(), zero = number_sign + 1;
  TextIds text;
  for (size_t track = 0; track < texts.size(); ++track) {
    for (const int32_t piece : pieces[track]) text.push(piece);
    if (place[track] > 1) {
      text.push(number_sign);
      text.push_digits(place[track], zero);
    }
    text.end_id();
  }
  auto ids = std::move(text).finish(
      [&](Symbol symbol) {
        if (symbol < number_sign) return fmt::format("<T_{}>", tokenizer.piece(symbol));
        return symbol == number_sign ? std::string("<#>") : fmt::format("<#_{}>", symbol - zero);
      },
      [&](Symbol symbol) {
        if (!is_known) return -1;
        if (symbol == kEnd) return tokenizer.end_of_text();
        return symbol < number_sign ? symbol : -1;
      });
  if (is_known) {
    const std::string& bytes = tokenizer.bytes();
    ids.table.token_pieces.vocabulary = sha256_of_bytes(bytes.data(), std::ssize(bytes));
  }
  ids.cut = cut;
  ids.coinciding = coinciding;
  return ids;
}

std::vector<std::string> texts_of(const std::vector<Numbers>& numbers, bool with_artist) {
  std::vector<std::string> texts;
  texts.reserve(numbers.size());
  for (const Numbers& n : numbers) {
    texts.push_back(with_artist ? fmt::format("{} _ {}", n.of_artist, n.of_track)
                                : fmt::format("{}", n.of_track));
  }
  return texts;
}

void check_options(const CatalogIdOptions& options) {
  const bool by_name = options.strategy == CatalogStrategy::kArtistTrackName;
  if (by_name && options.integer_tokens) {
    throw UsageError({"", "--integer-tokens", "beside --strategy artist-track-name",
                      "a strategy of integers", ""});
  }
  if (options.integer_tokens && options.tokenizer != nullptr) {
    throw UsageError({"", "--integer-tokens", "beside --vocabulary", "one of them",
                      "a number is a token of its own, or text in that vocabulary"});
  }
  if (options.longest < 1) {
    throw UsageError({"", "--longest", fmt::format("{}", options.longest), "at least 1", ""});
  }
  if (options.num_pieces < 1) {
    throw UsageError({"", "--pieces", fmt::format("{}", options.num_pieces), "at least 1", ""});
  }
}

}  // namespace

std::optional<CatalogStrategy> catalog_strategy_from_name(std::string_view name) {
  for (const auto& [strategy, known] : kNames) {
    if (name == known) return strategy;
  }
  return std::nullopt;
}

const char* name_of(CatalogStrategy strategy) {
  for (const auto& [known, name] : kNames) {
    if (strategy == known) return name;
  }
  fail_check("a strategy with a name", fmt::format("{}", static_cast<int>(strategy)));
}

CatalogIds build_catalog_ids(const data::Catalog& catalog, const std::vector<int32_t>& popularity,
                             const CatalogIdOptions& options) {
  check_options(options);
  const int64_t num_tracks = catalog.num_tracks();
  TUTTI_CHECK(std::ssize(popularity) == num_tracks);
  if (num_tracks == 0) throw DataError({"", "catalogue", "no tracks", "at least one", ""});
  const auto in_pieces = [&](const std::vector<std::string>& texts, const data::Tokenizer& by,
                             bool is_known) {
    return piece_ids(texts, by, catalog, popularity, options.longest, is_known);
  };
  CatalogIds ids;
  if (options.strategy == CatalogStrategy::kArtistTrackName) {
    const auto names = full_names(catalog);
    ids = options.tokenizer != nullptr
              ? in_pieces(names, *options.tokenizer, /*is_known=*/true)
              : in_pieces(names, train_pieces(names, options.num_pieces), /*is_known=*/false);
  } else {
    const bool with_artist = options.strategy == CatalogStrategy::kArtistTrackInteger;
    const auto numbers = with_artist ? artist_track_numbers(catalog, options.seed)
                                     : track_numbers(num_tracks, options.seed);
    if (options.integer_tokens) {
      ids = number_token_ids(numbers, with_artist);
    } else if (options.tokenizer != nullptr) {
      ids = in_pieces(texts_of(numbers, with_artist), *options.tokenizer, /*is_known=*/true);
    } else {
      ids = digit_ids(numbers, with_artist);
    }
  }
  ids.table.strategy = name_of(options.strategy);
  return ids;
}

}  // namespace tutti::ids
