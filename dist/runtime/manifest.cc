#include <array>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/manifest_json.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct KindText {
  std::string_view kind, with_article, command;
};

constexpr std::array<KindText, 7> kKinds = {{
    {"dataset", "a dataset", "tutti import` or `tutti synth"},
    {"embeddings", "an embeddings folder", "tutti embed"},
    {"bi-encoder", "a bi-encoder folder", "tutti train-biencoder"},
    {"id-table", "an id-table", "tutti ids build"},
    {"checkpoint", "a checkpoint", "tutti train"},
    {"run", "a run folder", "tutti train"},
    {"export", "an export", "tutti export"},
}};

std::string with_article(const std::string& kind) {
  for (const KindText& known : kKinds) {
    if (known.kind == kind) return std::string(known.with_article);
  }
  return fmt::format("'{}'", kind);
}

std::string made_by(const std::string& kind) {
  for (const KindText& known : kKinds) {
    if (known.kind == kind)
      return fmt::format("{} is made by `{}`", known.with_article, known.command);
  }
  return "";
}

std::string canonical(const json& document, int indent = -1) {
  // Text that is not UTF-8 (a file name in a config) must not keep an artefact from being written.
  return document.dump(indent, ' ', false, json::error_handler_t::replace);
}

json files_json(const Manifest& manifest) {
  json files = json::object();
  for (const auto& [name, entry] : manifest.files) {
    files[name] = {{"bytes", entry.bytes}, {"sha256", entry.sha256}};
  }
  return files;
}

[[noreturn]] void refuse(const fs::path& file, const std::string& found,
                         const std::string& expected, const std::string& cure) {
  throw DataError(Problem{
      .file = file.string(), .place = "", .found = found, .expected = expected, .cure = cure});
}

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  if (!stream) refuse(path, "a file that cannot be read", "a manifest", "check its permissions");
  return text.str();
}

void check_files(const fs::path& artefact, const Manifest& manifest) {
  for (const auto& [name, entry] : manifest.files) {
    const fs::path path = artefact / name;
    std::error_code problem;
    const auto bytes = static_cast<int64_t>(fs::file_size(path, problem));
    if (problem) {
      refuse(path, problem.message(), fmt::format("a file of {} bytes", entry.bytes),
             "the artefact is incomplete: copy it again or rebuild it");
    }
    if (bytes != entry.bytes) {
      refuse(path, fmt::format("{} bytes", bytes), fmt::format("{} bytes", entry.bytes),
             "the file was truncated or changed: copy it again or rebuild it");
    }
  }
}

}  // namespace

std::string manifest_hash(const Manifest& manifest) {
  const std::string text = canonical(json{{"kind", manifest.kind},
                                          {"format_version", manifest.format_version},
                                          {"made_from", manifest.made_from},
                                          {"files", files_json(manifest)}});
  return sha256_of_bytes(text.data(), std::ssize(text));
}

std::string manifest_text(const Manifest& manifest) {
  return canonical(json{{"kind", manifest.kind},
                        {"format_version", manifest.format_version},
                        {"counts", manifest.counts},
                        {"config", manifest.config},
                        {"made_from", manifest.made_from},
                        {"files", files_json(manifest)},
                        {"hash", manifest.hash}},
                   2) +
         "\n";
}

Manifest parse_manifest(const fs::path& path) {
  const std::string text = read_text(path);
  try {
    const json document = json::parse(text);
    Manifest manifest;
    document.at("kind").get_to(manifest.kind);
    document.at("format_version").get_to(manifest.format_version);
    manifest.counts = document.at("counts");
    manifest.config = document.at("config");
    document.at("made_from").get_to(manifest.made_from);
    for (const auto& [name, entry] : document.at("files").items()) {
      manifest.files[name] = {entry.at("bytes").get<int64_t>(),
                              entry.at("sha256").get<std::string>()};
    }
    document.at("hash").get_to(manifest.hash);
    return manifest;
  } catch (const json::parse_error& e) {
    throw DataError(Problem{.file = path.string(),
                            .place = fmt::format("byte {}", e.byte),
                            .found = "malformed JSON",
                            .expected = "a tutti manifest",
                            .cure = "rebuild the artefact"});
  } catch (const json::exception& e) {
    refuse(path, e.what(), "a tutti manifest", "rebuild the artefact");
  }
}

Manifest read_manifest(const fs::path& artefact, const std::string& expected_kind,
                       int newest_version) {
  const std::string wanted = with_article(expected_kind);
  const std::string cure = made_by(expected_kind);
  std::error_code problem;
  const fs::file_status status = fs::status(artefact, problem);
  if (!fs::exists(status)) {
    refuse(artefact,
           status.type() == fs::file_type::not_found ? "no such folder" : problem.message(), wanted,
           cure);
  }
  if (!fs::is_directory(status)) refuse(artefact, "a file", wanted + " (a folder)", cure);
  const fs::path manifest_path = artefact / "manifest.json";
  if (!fs::exists(manifest_path, problem)) {
    refuse(artefact, "a folder without manifest.json, so not a tutti artefact", wanted, cure);
  }
  Manifest manifest = parse_manifest(manifest_path);
  // First of all: what a damaged manifest says of kind and files would blame others. One of a newer
  // format may hash other parts.
  const std::string hash = manifest_hash(manifest);
  if (manifest.format_version <= newest_version && manifest.hash != hash) {
    refuse(manifest_path, "hash " + manifest.hash, hash + " (of the entries listed)",
           "the manifest was edited or damaged: rebuild the artefact");
  }
  if (manifest.kind != expected_kind) {
    refuse(artefact, with_article(manifest.kind), wanted, cure);
  }
  if (manifest.format_version > newest_version || manifest.format_version < 1) {
    refuse(manifest_path, fmt::format("format version {}", manifest.format_version),
           fmt::format("at most {}", newest_version),
           "it was written by a newer tutti: update this one or rebuild the artefact");
  }
  check_files(artefact, manifest);
  return manifest;
}

void verify_files(const fs::path& artefact, const Manifest& manifest) {
  for (const auto& [name, entry] : manifest.files) {
    const std::string found = sha256_of_file(artefact / name);
    if (found != entry.sha256) {
      refuse(artefact / name, "SHA-256 " + found, entry.sha256,
             "the file was changed or damaged: copy it again or rebuild the artefact");
    }
  }
}

void require_made_from(const fs::path& path, const Manifest& artefact, const std::string& role,
                       const Manifest& expected) {
  const auto source = artefact.made_from.find(role);
  if (source != artefact.made_from.end() && source->second == expected.hash) return;
  throw DataError(Problem{
      .file = path.string(),
      .place = "",
      .found = source == artefact.made_from.end()
                   ? fmt::format("{} made from no {}", with_article(artefact.kind), role)
                   : fmt::format("{} made from {} {}", with_article(artefact.kind), role,
                                 source->second.substr(0, 12)),
      .expected = fmt::format("one made from {} {}", role, expected.short_hash()),
      .cure = fmt::format("give the {} it was made from, or make it again from this one", role)});
}

}  // namespace tutti
