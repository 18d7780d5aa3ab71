#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "data/dataset_writer.h"
#include "data/normalizer.h"
#include "data/synth/contexts.h"
#include "data/synth/lengths.h"
#include "data/synth/playlist_generator.h"
#include "data/synth/synthesize.h"
#include "data/synth/tag_words.h"
#include "dist/runtime/errors.h"
#include "tests/data/catalogs.h"
#include "tests/support/thread_communicator.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

SynthOptions small_options() {
  SynthOptions options;
  options.num_playlists = 300;
  options.mean_length = 20;
  options.num_titles = 200;
  options.seed = 3;
  return options;
}

TrackMakers makers_of(const Catalog& catalog) {
  return {catalog.track_artist, catalog.track_album, catalog.artist_keys.size(),
          catalog.album_keys.size()};
}

const PlaylistGenerator& bundled_generator() {
  static const PlaylistGenerator generator(bundled_catalog(), SynthOptions{});
  return generator;
}

TEST(TagWords, GiveEveryTagOfTheBundledCatalogueAtLeastTwoPhrases) {
  const auto& tags = bundled_catalog().tag_names;
  EXPECT_EQ(tags.size(), 187);
  for (int64_t i = 0; i < tags.size(); ++i) {
    const auto phrases = phrases_of_tag(tags[i]);
    EXPECT_GE(phrases.size(), 2U) << tags[i];
    EXPECT_EQ(std::set(phrases.begin(), phrases.end()).size(), phrases.size()) << tags[i];
    for (const auto& phrase : phrases) EXPECT_FALSE(normalize_title(phrase).empty()) << tags[i];
  }
}

TEST(TagWords, SpellGluedNamesApartAndUnknownTagsByTheirName) {
  EXPECT_EQ(plain_words_of_tag("genre:punkrock"), "punk rock");
  EXPECT_EQ(plain_words_of_tag("mood/theme:relaxing"), "relaxing");
  EXPECT_EQ(plain_words_of_tag("style:Gypsy_Jazz"), "gypsy jazz");
  EXPECT_EQ(plain_words_of_tag("lo-fi"), "lo fi");
  EXPECT_EQ(kind_of_tag("mood/theme:sad"), TagKind::kMood);
  EXPECT_EQ(kind_of_tag("instrument:piano"), TagKind::kInstrument);
  EXPECT_EQ(kind_of_tag("lo-fi"), TagKind::kGenre);
}

TEST(Contexts, LeanOnTagsThatTheBundledCatalogueHas) {
  std::set<std::string> known;
  for (int64_t i = 0; i < bundled_catalog().tag_names.size(); ++i) {
    known.emplace(bundled_catalog().tag_names[i]);
  }
  for (const Context& context : all_contexts()) {
    for (const auto tag : context.tags) {
      EXPECT_TRUE(known.contains(std::string(tag))) << context.name << ": " << tag;
    }
  }
}

TEST(WeightedItems, AreDrawnInProportionToTheirWeight) {
  WeightedItems items;
  items.add(7, 1);
  items.add(8, 0);
  items.add(9, 3);
  Rng rng(1, Purpose::kTest);
  int sevens = 0, nines = 0;
  for (int i = 0; i < 40000; ++i) {
    const int32_t item = items.draw(rng);
    sevens += item == 7;
    nines += item == 9;
  }
  EXPECT_EQ(sevens + nines, 40000);
  EXPECT_NEAR(sevens, 10000, 400);  // 4.6 standard deviations
}

TEST(CutLognormal, HasTheMeanThatWasAskedFor) {
  const double sigma = 0.85;
  for (const double mean : {20.0, 66.35, 120.0}) {
    const double mu = location_of_cut_lognormal(mean, sigma, 5, 250);
    Rng rng(2, Purpose::kTest);
    double sum = 0;
    int64_t kept = 0;
    for (int i = 0; i < 100000; ++i) {
      const auto length = std::lround(std::exp(mu + sigma * rng.normal()));
      if (length < 5 || length > 250) continue;
      sum += static_cast<double>(length);
      ++kept;
    }
    EXPECT_NEAR(sum / static_cast<double>(kept), mean, 0.01 * mean + 0.3);
  }
}

TEST(PlaylistGenerator, MakesEachPlaylistFromItsIndexAlone) {
  const Catalog catalog = small_catalog(600);
  const PlaylistGenerator one(catalog, small_options()), other(catalog, small_options());
  for (const int64_t i : {41, 0, 7}) {
    const auto a = one.playlist(i), b = other.playlist(i);
    EXPECT_EQ(a.title, b.title);
    EXPECT_EQ(a.tracks, b.tracks);
    EXPECT_EQ(a.modified_at, b.modified_at);
    EXPECT_EQ(one.playlist(i).tracks, a.tracks);
  }
  EXPECT_NE(one.playlist(0).tracks, one.playlist(1).tracks);
}

TEST(PlaylistGenerator, KeepsLengthsInBoundsAndNeverRepeatsATrack) {
  for (const int64_t num_tracks : {40, 600}) {
    const Catalog catalog = small_catalog(num_tracks);
    SynthOptions options = small_options();
    options.mean_length = 10;
    const PlaylistGenerator generator(catalog, options);
    for (int64_t i = 0; i < 500; ++i) {
      const auto playlist = generator.playlist(i);
      const int64_t length = std::ssize(playlist.tracks);
      EXPECT_GE(length, options.min_length);
      EXPECT_LE(length, std::min(options.max_length, num_tracks / 2));
      EXPECT_EQ(std::set(playlist.tracks.begin(), playlist.tracks.end()).size(), length);
      EXPECT_GE(*std::min_element(playlist.tracks.begin(), playlist.tracks.end()), 0);
      EXPECT_LT(*std::max_element(playlist.tracks.begin(), playlist.tracks.end()), num_tracks);
    }
  }
}

TEST(PlaylistGenerator, TakesACatalogueWhoseTracksHaveNoArtistOrAlbum) {
  Catalog catalog = small_catalog(200);
  std::fill(catalog.track_artist.begin(), catalog.track_artist.end(), -1);
  std::fill(catalog.track_album.begin(), catalog.track_album.end(), -1);
  const PlaylistGenerator generator(catalog, small_options());
  EXPECT_GE(generator.playlist(0).tracks.size(), 5U);
}

TEST(PlaylistGenerator, LooksLikeTheMillionPlaylistDatasetOverTheBundledCatalogue) {
  const auto& generator = bundled_generator();
  SynthCounter counter(makers_of(bundled_catalog()), generator.titles().size(), 15000);
  for (int64_t i = 0; i < 15000; ++i) counter.add(i, generator.playlist(i));
  const SynthStatistics s = counter.statistics(0);
  EXPECT_NEAR(s.mean_length, 66.35, 1.5);
  EXPECT_NEAR(s.top_track, 0.0466, 0.008);
  EXPECT_NEAR(s.tenth_track, 0.0349, 0.005);
  EXPECT_NEAR(s.popularity_hits, 0.388, 0.04);
  EXPECT_EQ(generator.titles().size(), 17381);
  EXPECT_NEAR(s.top_title, 0.010, 0.003);
  EXPECT_NEAR(s.top_20_titles, 0.120, 0.015);
  EXPECT_GE(s.shortest, 5);
  EXPECT_LE(s.longest, 250);
}

TEST(PlaylistGenerator, PutsTracksThatCarryTheWordsOfTheTitle) {
  const auto& generator = bundled_generator();
  const Catalog& catalog = bundled_catalog();
  int64_t entries = 0, carrying = 0, expected = 0;
  std::vector<int64_t> tracks_with(catalog.tag_names.size());
  for (const int32_t tag : catalog.tags) ++tracks_with[tag];
  for (int64_t i = 0; i < 2000; ++i) {
    const auto playlist = generator.playlist(i);
    const auto& meanings = generator.titles().title(playlist.title_row).meanings;
    if (meanings.size() != 1 || meanings[0].tags.size() != 1) continue;
    const int32_t tag = meanings[0].tags[0];
    for (const int32_t track : playlist.tracks) {
      const auto tags = catalog.tags_of(track);
      ++entries;
      carrying += std::binary_search(tags.begin(), tags.end(), tag);
      expected += tracks_with[tag];
    }
  }
  ASSERT_GT(entries, 10000);
  const double share = static_cast<double>(carrying) / static_cast<double>(entries);
  const double by_chance = static_cast<double>(expected) / static_cast<double>(entries) /
                           static_cast<double>(catalog.num_tracks());
  EXPECT_GT(share, 0.5);
  EXPECT_LT(by_chance, 0.2);
}

TEST(TitlePool, SaysEveryTagOfItsMeaningInWordsOfTheTable) {
  const auto& pool = bundled_generator().titles();
  const auto& tag_names = bundled_catalog().tag_names;
  int64_t with_tags = 0;
  for (int64_t row = 0; row < pool.size(); ++row) {
    const std::string title = " " + pool.title(row).text + " ";
    for (const auto& meaning : pool.title(row).meanings) {
      with_tags += !meaning.tags.empty();
      for (const int32_t tag : meaning.tags) {
        const auto phrases = phrases_of_tag(tag_names[tag]);
        EXPECT_TRUE(std::any_of(phrases.begin(), phrases.end(),
                                [&](const std::string& phrase) {
                                  return title.find(" " + phrase + " ") != std::string::npos;
                                }))
            << title << tag_names[tag];
      }
    }
  }
  EXPECT_GT(with_tags, pool.size() / 2);
}

TEST(TitlePool, HoldsDistinctTitlesMadeOfWordsThatOtherTitlesUseToo) {
  const auto& pool = bundled_generator().titles();
  std::set<std::string> normalized;
  std::set<std::string, std::less<>> words_elsewhere;
  const auto is_held_out = [](int64_t row) { return row % 10 == 3; };
  for (int64_t row = 0; row < pool.size(); ++row) {
    const std::string title = normalize_title(pool.title(row).text);
    EXPECT_TRUE(normalized.insert(title).second) << title;
    if (is_held_out(row)) continue;
    for (const auto word : words_of(title)) words_elsewhere.emplace(word);
  }
  int64_t held_out = 0, understood = 0;
  for (int64_t row = 0; row < pool.size(); ++row) {
    if (!is_held_out(row)) continue;
    const std::string title = normalize_title(pool.title(row).text);
    const auto words = words_of(title);
    ++held_out;
    understood += std::all_of(words.begin(), words.end(),
                              [&](auto word) { return words_elsewhere.contains(word); });
  }
  EXPECT_GT(static_cast<double>(understood), 0.98 * static_cast<double>(held_out));
}

TEST(DecorateTitle, LeavesTheNormalisedTitleAsItIs) {
  const auto& pool = bundled_generator().titles();
  Rng rng(5, Purpose::kTest);
  int64_t changed = 0;
  for (int64_t row = 0; row < pool.size(); row += 5) {
    const std::string& text = pool.title(row).text;
    const std::string written = decorate_title(text, rng);
    changed += written != text;
    EXPECT_EQ(normalize_title(written), normalize_title(text)) << written;
  }
  EXPECT_GT(changed, pool.size() / 5 / 3);
}

template <typename ErrorType>
std::string error_of(const Catalog& catalog, const SynthOptions& options) {
  try {
    const PlaylistGenerator generator(catalog, options);
  } catch (const ErrorType& e) {
    return e.what();
  }
  return "no error";
}

TEST(PlaylistGenerator, RefusesACatalogueWithoutTagsOrWithTooFewTracks) {
  Catalog untagged = small_catalog(100);
  untagged.tags.clear();
  untagged.tag_offsets.assign(101, 0);
  EXPECT_THAT(error_of<DataError>(untagged, small_options()), HasSubstr("tutti import tags"));
  EXPECT_THAT(error_of<DataError>(small_catalog(12), small_options()), HasSubstr("12 tracks"));
}

TEST(PlaylistGenerator, RefusesAMeanLengthThatCannotBeHad) {
  for (const double mean : {1.0, 240.0, std::nan("")}) {
    SynthOptions options = small_options();
    options.mean_length = mean;
    EXPECT_THAT(error_of<UsageError>(small_catalog(600), options), HasSubstr("--mean-length"));
  }
}

// The demo's playlists: published results stand on them. A change of this number changes those.
TEST(PlaylistGenerator, MakesTheDemosPlaylistsAsWhenTheyWerePublished) {
  SynthOptions options;
  options.num_playlists = 20000;
  options.seed = 1;
  const PlaylistGenerator generator(bundled_catalog(), options);
  std::string text;
  for (int64_t i = 0; i < 500; ++i) {
    const auto playlist = generator.playlist(i);
    text += fmt::format("{}|{}|{}\n", playlist.title, fmt::join(playlist.tracks, ","),
                        playlist.modified_at);
  }
  EXPECT_EQ(sha256_of_bytes(text.data(), std::ssize(text)),
            "b4e48dbb3365e4fb16569f23117b1d79adb6af114db0b903293e92614de23ae1");
}

}  // namespace
}  // namespace tutti::data
