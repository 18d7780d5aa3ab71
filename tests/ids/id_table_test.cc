#include "ids/id_table.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

IdTable small_table() {
  IdTable table;
  table.strategy = "semantic";
  table.space = "cf";
  table.levels = {{0, 2}, {2, 3}, {5, 2}};
  table.offsets = {0, 3, 6, 9};
  table.tokens = {0, 2, 5, 1, 4, 5, 1, 4, 6};
  table.vector_dim = 2;
  for (int i = 0; i < 14; ++i) table.token_vectors.push_back(i < 10 ? 0.5F * i : 0);
  return table;
}

IdTableExtras small_extras() {
  IdTableExtras extras;
  extras.codebooks = {
      NormHandling::kUnit, {0.25F, -1}, {{2, 2, {0, 0.5F, 1, 1.5F}}, {3, 2, {2, 2, 3, 3, 4, 4}}}};
  extras.report = {{"tracks", 3}};
  extras.config = {{"levels", 2}};
  extras.made_from = {{"dataset", std::string(64, 'a')}};
  return extras;
}

// Writes ids.h5 of a valid manifest with these arrays.
void write_artefact(const std::filesystem::path& out, const IdTable& table) {
  write_id_table(out, table, small_extras(), true);
}

TEST(IdTable, KnowsTheLevelAndNameOfAToken) {
  const auto table = small_table();
  EXPECT_EQ(table.num_tokens(), 7);
  EXPECT_EQ(table.level_of(1), 0);
  EXPECT_EQ(table.level_of(2), 1);
  EXPECT_EQ(table.level_of(6), 2);
  EXPECT_EQ(table.token_name(1), "<L0_1>");
  EXPECT_EQ(table.token_name(4), "<L1_2>");
  EXPECT_EQ(table.token_name(6), "<S_1>");
}

TEST(IdTable, ComesBackFromItsFolderAsItWas) {
  const TempFolder dir;
  const auto table = small_table();
  const auto manifest = write_id_table(dir / "ids", table, small_extras(), false);
  const auto loaded = read_id_table(dir / "ids");
  EXPECT_EQ(loaded.manifest.hash, manifest.hash);
  EXPECT_EQ(loaded.manifest.made_from.at("dataset"), std::string(64, 'a'));
  EXPECT_EQ(loaded.manifest.counts.at("tracks"), 3);
  EXPECT_EQ(loaded.table.strategy, "semantic");
  EXPECT_EQ(loaded.table.space, "cf");
  EXPECT_EQ(loaded.table.offsets, table.offsets);
  EXPECT_EQ(loaded.table.tokens, table.tokens);
  EXPECT_EQ(loaded.table.vector_dim, 2);
  EXPECT_EQ(loaded.table.token_vectors, table.token_vectors);
  ASSERT_EQ(loaded.table.levels.size(), 3U);
  EXPECT_EQ(loaded.table.levels[2].first_token, 5);
  EXPECT_EQ(loaded.table.levels[2].num_tokens, 2);
  EXPECT_TRUE(std::filesystem::exists(dir / "ids/report.json"));

  const auto codebooks = read_codebooks(dir / "ids");
  EXPECT_EQ(codebooks.norm, NormHandling::kUnit);
  EXPECT_EQ(codebooks.mean, (std::vector<float>{0.25F, -1}));
  ASSERT_EQ(codebooks.num_levels(), 2);
  EXPECT_EQ(codebooks.levels[1].num_codes, 3);
  EXPECT_EQ(codebooks.levels[1].values, (std::vector<float>{2, 2, 3, 3, 4, 4}));
}

TEST(IdTable, IsTheSameBytesWhenWrittenTwice) {
  const TempFolder dir;
  const auto first = write_id_table(dir / "a", small_table(), small_extras(), false);
  const auto second = write_id_table(dir / "b", small_table(), small_extras(), false);
  EXPECT_EQ(first.hash, second.hash);
}

TEST(IdTable, WithoutVectorsOrCodebooksIsFine) {
  const TempFolder dir;
  auto table = small_table();
  table.vector_dim = 0;
  table.token_vectors.clear();
  write_id_table(dir / "ids", table, {}, false);
  EXPECT_EQ(read_id_table(dir / "ids").table.vector_dim, 0);
  EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "ids"); }),
              HasSubstr("no codebooks"));
}

TEST(IdTable, IsNotOverwrittenUnasked) {
  const TempFolder dir;
  write_artefact(dir / "ids", small_table());
  EXPECT_THROW(write_id_table(dir / "ids", small_table(), {}, false), UsageError);
}

TEST(IdTable, RefusesTokensOutOfRange) {
  const TempFolder dir;
  auto table = small_table();
  table.tokens[4] = 7;
  write_artefact(dir / "ids", table);
  EXPECT_THAT(
      message_of<DataError>([&] { read_id_table(dir / "ids"); }),
      testing::AllOf(HasSubstr("ids.h5"), HasSubstr("'tokens' at 4"), HasSubstr("token 7")));
}

IdTable text_table() {
  IdTable table;
  table.strategy = "track-integer";
  table.levels = {{0, 3}, {0, 3}, {0, 3}};
  table.offsets = {0, 2, 5};
  table.tokens = {0, 2, 0, 1, 2};
  for (const char* name : {"<T_0>", "<T_1>", "<END>"}) table.token_names.push_back(name);
  return table;
}

TEST(IdTable, OfTextHasOneVocabularyAtAllPositions) {
  const TempFolder dir;
  write_artefact(dir / "ids", text_table());
  const auto table = read_id_table(dir / "ids").table;
  EXPECT_TRUE(table.is_text());
  EXPECT_FALSE(small_table().is_text());
  EXPECT_EQ(table.num_tokens(), 3);
  EXPECT_EQ(table.end_token(), 2);
  EXPECT_EQ(table.token_name(2), "<END>");
  EXPECT_DOUBLE_EQ(table.mean_length(), 2.5);
}

TEST(IdTable, OfTextThatBreaksItsRulesIsRefused) {
  const TempFolder dir;
  const auto message = [&](const auto& change) {
    auto table = text_table();
    change(table);
    write_artefact(dir / "ids", table);
    return message_of<DataError>([&] { read_id_table(dir / "ids"); });
  };
  EXPECT_THAT(message([](IdTable& t) { t.tokens[1] = 1; }), HasSubstr("'tokens' of track 0"));
  EXPECT_THAT(message([](IdTable& t) { t.tokens[2] = 2; }), HasSubstr("'tokens' of track 1"));
  EXPECT_THAT(message([](IdTable& t) { t.levels.pop_back(); }), HasSubstr("'tokens' of track 1"));
  EXPECT_THAT(message([](IdTable& t) { t.levels[1].num_tokens = 4; }), HasSubstr("level 1"));
  EXPECT_THAT(message([](IdTable& t) { t.token_names.push_back("<T_3>"); }),
              HasSubstr("'token_names'"));
  EXPECT_THAT(message([](IdTable& t) {
                t.token_pieces = {"hash", {1}};
              }),
              HasSubstr("'token_pieces'"));
}

TEST(IdTable, RefusesLevelsWithGapsOffsetsThatFallAndVectorsOfAnotherSize) {
  const TempFolder dir;
  auto table = small_table();
  table.levels[1].first_token = 3;
  write_artefact(dir / "ids", table);
  EXPECT_THAT(message_of<DataError>([&] { read_id_table(dir / "ids"); }), HasSubstr("level 1"));
  table = small_table();
  table.offsets = {0, 6, 3, 9};
  write_artefact(dir / "ids", table);
  EXPECT_THAT(message_of<DataError>([&] { read_id_table(dir / "ids"); }), HasSubstr("'offsets'"));
  table = small_table();
  table.token_vectors.resize(12);
  write_artefact(dir / "ids", table);
  EXPECT_THAT(message_of<DataError>([&] { read_id_table(dir / "ids"); }),
              HasSubstr("'token_vectors'"));
  table = small_table();
  table.token_vectors[3] = std::nanf("");
  write_artefact(dir / "ids", table);
  EXPECT_THAT(message_of<DataError>([&] { read_id_table(dir / "ids"); }),
              HasSubstr("'token_vectors' row 1"));
}

TEST(IdTable, RefusesAnotherKindOfArtefactAndATruncatedFile) {
  const TempFolder dir;
  EXPECT_THROW(read_id_table(dir / "missing"), DataError);
  write_artefact(dir / "ids", small_table());
  std::filesystem::resize_file(dir / "ids/ids.h5", 100);
  EXPECT_THROW(read_id_table(dir / "ids"), DataError);
}

TEST(Codebooks, KeepThePricesOfCodesAndRefuseThoseThatAreNone) {
  const TempFolder dir;
  auto extras = small_extras();
  const auto num_codes = extras.codebooks.levels[1].num_codes;
  auto& prices = extras.codebooks.levels[1].prices;
  prices.assign(num_codes, 0.5F);
  write_id_table(dir / "a", small_table(), extras, false);
  EXPECT_EQ(read_codebooks(dir / "a").levels[1].prices, prices);
  EXPECT_TRUE(read_codebooks(dir / "a").levels[0].prices.empty());
  for (const float wrong : {-1.0F, NAN}) {
    prices.back() = wrong;
    write_id_table(dir / "b", small_table(), extras, true);
    EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "b"); }), HasSubstr("'prices_1'"));
  }
}

TEST(Codebooks, RefuseANanAndAnotherDimension) {
  const TempFolder dir;
  auto extras = small_extras();
  extras.codebooks.levels[1].values[2] = INFINITY;
  write_id_table(dir / "a", small_table(), extras, false);
  EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "a"); }),
              HasSubstr("'codebook_1' row 1"));
  extras = small_extras();
  extras.codebooks.mean.push_back(0);
  extras.codebooks.levels = {{2, 3, std::vector<float>(6)}, {3, 2, std::vector<float>(6)}};
  write_id_table(dir / "b", small_table(), extras, false);
  EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "b"); }),
              HasSubstr("'codebook_1': found shape [3, 2]"));
}

TEST(Codebooks, KeepTheAtomsOfADictionaryAndRefuseLevelsOfOtherCodes) {
  const TempFolder dir;
  auto extras = small_extras();
  extras.codebooks.atoms = {1, 2, {0.6F, 0.8F}};
  extras.codebooks.levels.resize(1);
  write_id_table(dir / "a", small_table(), extras, false);
  EXPECT_EQ(read_codebooks(dir / "a").atoms.values, (std::vector<float>{0.6F, 0.8F}));
  extras = small_extras();
  write_id_table(dir / "b", small_table(), extras, false);
  EXPECT_EQ(read_codebooks(dir / "b").atoms.num_codes, 0);
  extras.codebooks.atoms = {1, 2, {0.6F, 0.8F}};  // a level has 3 codes
  write_id_table(dir / "b", small_table(), extras, true);
  EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "b"); }),
              HasSubstr("'codebook_1': found 3 codes, expected two for each of 1 atoms"));
  extras.codebooks.atoms = {1, 2, {0.6F, NAN}};
  write_id_table(dir / "b", small_table(), extras, true);
  EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "b"); }),
              HasSubstr("'atoms' row 0"));
  extras.codebooks.atoms = {1, 3, {0.6F, 0, 0}};
  write_id_table(dir / "b", small_table(), extras, true);
  EXPECT_THAT(message_of<DataError>([&] { read_codebooks(dir / "b"); }),
              HasSubstr("'atoms': found shape [1, 3], expected [atoms, 2]"));
}

TEST(NormHandling, IsKnownByName) {
  EXPECT_EQ(norm_handling("damped"), NormHandling::kDamped);
  EXPECT_EQ(norm_handling("raw"), NormHandling::kRaw);
  EXPECT_THAT(message_of<UsageError>([] { norm_handling("l2"); }),
              HasSubstr("raw, unit or damped"));
}

}  // namespace
}  // namespace tutti::ids
