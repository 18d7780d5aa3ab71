#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "ids/id_table.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr const char* kKind = "id-table";
constexpr const char* kIdsFile = "ids.h5";
constexpr const char* kCodebooksFile = "codebooks.h5";
constexpr const char* kCure = "build the table again with `tutti ids build`";

std::string level_name(int64_t level) {
  return fmt::format("codebook_{}", level);
}

std::string prices_name(int64_t level) {
  return fmt::format("prices_{}", level);
}

[[noreturn]] void refuse(const std::string& file, const std::string& place,
                         const std::string& found, const std::string& expected) {
  throw DataError({file, place, found, expected, kCure});
}

// Levels follow one another; those of text are all the same.
void check_levels(const std::string& file, const IdTable& table) {
  if (table.levels.empty()) refuse(file, "'level_first_token'", "no levels", "at least one");
  int32_t expected_first = 0;
  for (size_t l = 0; l < table.levels.size(); ++l) {
    const auto& level = table.levels[l];
    if (level.first_token != expected_first || level.num_tokens < 1 ||
        level.num_tokens > INT32_MAX - level.first_token) {
      refuse(file, fmt::format("level {}", l),
             fmt::format("{} tokens from token {} on", level.num_tokens, level.first_token),
             fmt::format("at least one token, from token {} on", expected_first));
    }
    if (!table.is_text()) {
      expected_first += level.num_tokens;
    } else if (level.num_tokens != table.num_tokens()) {
      refuse(file, fmt::format("level {}", l), fmt::format("{} tokens", level.num_tokens),
             fmt::format("{}: all positions of text draw from one vocabulary", table.num_tokens()));
    }
  }
}

// IDs of text end with the token that ends them, and fit their levels.
void check_text(const std::string& file, const IdTable& table) {
  if (table.token_names.size() != table.num_tokens()) {
    refuse(file, "'token_names'", fmt::format("{} names", table.token_names.size()),
           fmt::format("one a token, {}", table.num_tokens()));
  }
  const auto& pieces = table.token_pieces.pieces;
  if (!pieces.empty() && std::ssize(pieces) != table.num_tokens()) {
    refuse(file, "'token_pieces'", fmt::format("{} pieces", pieces.size()),
           fmt::format("one a token, {}", table.num_tokens()));
  }
  for (int64_t track = 0; track < table.num_tracks(); ++track) {
    const auto id = table.id_of(track);
    const auto end = std::ranges::find(id, table.end_token()) - id.begin();
    if (end + 1 == std::ssize(id) && std::ssize(id) <= table.id_length()) continue;
    refuse(file, fmt::format("'tokens' of track {}", track),
           fmt::format("{} tokens, the end at {}", id.size(), end),
           fmt::format("at most {}, the end as the last", table.id_length()));
  }
}

void check_table(const std::string& file, const IdTable& table) {
  data::check_offsets(table.offsets, static_cast<int64_t>(table.tokens.size()), file, "'offsets'");
  check_levels(file, table);
  const int32_t num_tokens = table.num_tokens();
  const auto bad = std::find_if(table.tokens.begin(), table.tokens.end(),
                                [&](int32_t token) { return token < 0 || token >= num_tokens; });
  if (bad != table.tokens.end()) {
    refuse(file, fmt::format("'tokens' at {}", bad - table.tokens.begin()),
           fmt::format("token {}", *bad), fmt::format("a token in [0, {})", num_tokens));
  }
  if (table.is_text()) check_text(file, table);
  if (std::ssize(table.retired.tokens) != table.retired.size() * table.id_length()) {
    refuse(file, "'retired_ids'", fmt::format("{} tokens", table.retired.tokens.size()),
           fmt::format("{} IDs of {}", table.retired.size(), table.id_length()));
  }
  const auto expected_values = num_tokens * table.vector_dim;
  if (std::ssize(table.token_vectors) != expected_values) {
    refuse(file, "'token_vectors'", fmt::format("{} values", table.token_vectors.size()),
           fmt::format("{} x {}", num_tokens, table.vector_dim));
  }
  const int64_t not_finite = find_non_finite(table.token_vectors.data(), expected_values);
  if (not_finite >= 0) {
    refuse(file, fmt::format("'token_vectors' row {}", not_finite / table.vector_dim),
           fmt::format("{}", table.token_vectors[not_finite]), "finite values");
  }
}

Codebook read_atoms(const data::Hdf5File& file, const std::string& file_name, int64_t dim) {
  const auto shape = file.shape("atoms");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] != dim) {
    refuse(file_name, "'atoms'", fmt::format("shape [{}]", fmt::join(shape, ", ")),
           fmt::format("[atoms, {}]", dim));
  }
  Codebook atoms{shape[0], dim, file.read<float>("atoms")};
  const int64_t not_finite = find_non_finite(atoms.values.data(), std::ssize(atoms.values));
  if (not_finite >= 0) {
    refuse(file_name, fmt::format("'atoms' row {}", not_finite / dim),
           fmt::format("{}", atoms.values[not_finite]), "finite values");
  }
  return atoms;
}

void write_ids(const std::filesystem::path& path, const IdTable& table) {
  auto file = data::Hdf5File::create(path);
  file.set_attribute("strategy", table.strategy);
  file.set_attribute("space", table.space);
  std::vector<int32_t> first, count;
  for (const auto& level : table.levels) {
    first.push_back(level.first_token);
    count.push_back(level.num_tokens);
  }
  file.write<int32_t>("level_first_token", first);
  file.write<int32_t>("level_num_tokens", count);
  file.write<int64_t>("offsets", table.offsets);
  file.write<int32_t>("tokens", table.tokens);
  if (table.vector_dim > 0) {
    file.write_matrix<float>("token_vectors", table.token_vectors, table.vector_dim);
  }
  if (table.token_names.size() > 0) file.write_strings("token_names", table.token_names);
  if (!table.token_pieces.pieces.empty()) {
    file.set_attribute("vocabulary", table.token_pieces.vocabulary);
    file.write<int32_t>("token_pieces", table.token_pieces.pieces);
  }
  if (table.retired.size() > 0) {
    file.write_matrix<int32_t>("retired_ids", table.retired.tokens, table.id_length());
    file.write_strings("retired_keys", table.retired.keys);
  }
  file.close();
}

void write_mapping(const std::filesystem::path& path, const IdMapping& mapping, int64_t id_length) {
  auto file = data::Hdf5File::create(path);
  file.write<int32_t>("old_track", mapping.old_track);
  file.write<int32_t>("moved_tracks", mapping.moved_tracks);
  file.write_matrix<int32_t>("moved_from", mapping.moved_from, id_length);
  file.write<int32_t>("removed", mapping.removed);
  file.close();
}

}  // namespace

LoadedIdTable read_id_table(const std::filesystem::path& path) {
  LoadedIdTable loaded{read_manifest(path, kKind), {}};
  const std::string file_name = (path / kIdsFile).string();
  const auto file = data::Hdf5File::open(path / kIdsFile);
  auto& table = loaded.table;
  table.strategy = file.string_attribute("strategy");
  table.space = file.string_attribute("space");
  const auto first = file.read<int32_t>("level_first_token");
  const auto count = file.read<int32_t>("level_num_tokens");
  if (first.size() != count.size()) {
    refuse(file_name, "'level_num_tokens'", fmt::format("{} levels", count.size()),
           fmt::format("{}", first.size()));
  }
  for (size_t l = 0; l < first.size(); ++l) table.levels.push_back({first[l], count[l]});
  table.offsets = file.read<int64_t>("offsets");
  table.tokens = file.read<int32_t>("tokens");
  if (file.has("token_vectors")) {
    const auto shape = file.shape("token_vectors");
    table.vector_dim = shape.size() == 2 ? shape[1] : 0;
    table.token_vectors = file.read<float>("token_vectors");
  }
  if (file.has("token_names")) table.token_names = file.read_strings("token_names");
  if (file.has("token_pieces")) {
    table.token_pieces = {file.string_attribute("vocabulary"), file.read<int32_t>("token_pieces")};
  }
  if (file.has("retired_ids")) {
    table.retired.tokens = file.read<int32_t>("retired_ids");
    table.retired.keys = file.read_strings("retired_keys");
  }
  check_table(file_name, table);
  return loaded;
}

Manifest write_id_table(const std::filesystem::path& out, const IdTable& table,
                        const IdTableExtras& extras, bool overwrite) {
  ArtefactWriter writer(out, kKind, overwrite);
  write_ids(writer.file(kIdsFile), table);
  if (extras.codebooks.num_levels() > 0) {
    write_codebooks(writer.file(kCodebooksFile), extras.codebooks);
  }
  if (!extras.mapping.old_track.empty()) {
    write_mapping(writer.file("mapping.h5"), extras.mapping, table.id_length());
  }
  if (!extras.report.is_null()) {
    write_file(writer.file("report.json"), extras.report.dump(2) + '\n');
  }
  Manifest manifest;
  manifest.counts = {{"tracks", table.num_tracks()},
                     {"tokens", table.num_tokens()},
                     {"id_length", table.id_length()}};
  manifest.config = extras.config.is_null() ? nlohmann::json::object() : extras.config;
  manifest.made_from = extras.made_from;
  return writer.commit(std::move(manifest));
}

void write_codebooks(const std::filesystem::path& path, const Codebooks& codebooks) {
  auto file = data::Hdf5File::create(path);
  file.set_attribute("norm", std::string(name_of(codebooks.norm)));
  file.set_attribute("levels", codebooks.num_levels());
  file.write<float>("mean", codebooks.mean, data::Storage::kRaw);
  if (codebooks.atoms.num_codes > 0) {
    file.write_matrix<float>("atoms", codebooks.atoms.values, codebooks.atoms.dim);
  }
  for (int64_t l = 0; l < codebooks.num_levels(); ++l) {
    const auto& level = codebooks.levels[l];
    file.write_matrix<float>(level_name(l), level.values, level.dim);
    if (!level.prices.empty()) file.write<float>(prices_name(l), level.prices, data::Storage::kRaw);
  }
  file.close();
}

Codebooks read_codebooks(const std::filesystem::path& id_table) {
  const auto manifest = read_manifest(id_table, kKind);
  const auto path = id_table / kCodebooksFile;
  if (!manifest.files.contains(kCodebooksFile)) {
    const std::string strategy = manifest.config.value("strategy", "semantic");
    throw DataError({path.string(), "", "no codebooks: IDs by --strategy " + strategy,
                     "a table of semantic IDs", kCure});
  }
  return read_codebooks_file(path);
}

Codebooks read_codebooks_file(const std::filesystem::path& path) {
  const std::string file_name = path.string();
  const auto file = data::Hdf5File::open(path);
  Codebooks codebooks;
  codebooks.norm = norm_handling(file.string_attribute("norm"));
  codebooks.mean = file.read<float>("mean");
  const int64_t num_levels = file.int64_attribute("levels");
  if (file.has("atoms")) codebooks.atoms = read_atoms(file, file_name, codebooks.dim());
  for (int64_t l = 0; l < num_levels; ++l) {
    const auto shape = file.shape(level_name(l));
    if (shape.size() != 2 || shape[1] != codebooks.dim()) {
      refuse(file_name, "'" + level_name(l) + "'",
             fmt::format("shape [{}]", fmt::join(shape, ", ")),
             fmt::format("[codes, {}]", codebooks.dim()));
    }
    codebooks.levels.push_back({shape[0], shape[1], file.read<float>(level_name(l))});
    if (codebooks.atoms.num_codes > 0 && shape[0] != 2 * codebooks.atoms.num_codes) {
      refuse(file_name, "'" + level_name(l) + "'", fmt::format("{} codes", shape[0]),
             fmt::format("two for each of {} atoms", codebooks.atoms.num_codes));
    }
    const auto& values = codebooks.levels.back().values;
    const int64_t not_finite = find_non_finite(values.data(), std::ssize(values));
    if (not_finite >= 0) {
      refuse(file_name, fmt::format("'{}' row {}", level_name(l), not_finite / codebooks.dim()),
             fmt::format("{}", values[not_finite]), "finite values");
    }
    if (!file.has(prices_name(l))) continue;
    auto& prices = codebooks.levels.back().prices;
    prices = file.read<float>(prices_name(l));
    if (std::ssize(prices) != shape[0] ||
        !std::ranges::all_of(prices, [](float p) { return p >= 0 && std::isfinite(p); })) {
      refuse(file_name, "'" + prices_name(l) + "'", "not a price for each code",
             fmt::format("{} finite values of at least 0", shape[0]));
    }
  }
  return codebooks;
}

}  // namespace tutti::ids
