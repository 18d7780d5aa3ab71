#include "dist/runtime/artefact.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// The message of the E that `work` throws.
template <typename E, typename Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const E& e) {
    EXPECT_THAT(e.what(), testing::Not(HasSubstr("\n")));
    return e.what();
  } catch (const std::exception& e) {
    return std::string("another exception: ") + e.what();
  }
  return "no exception";
}

class ArtefactTest : public testing::Test {
 protected:
  ArtefactTest() {
    root_ = fs::path(testing::TempDir()) /
            ("artefact_test-" + std::to_string(::getpid()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(root_);
  }
  ~ArtefactTest() override {
    std::error_code ignored;
    fs::permissions(root_, fs::perms::owner_all, ignored);
    fs::remove_all(root_, ignored);
  }

  fs::path make(const std::string& name, const std::string& kind, const std::string& content,
                bool overwrite = false, const Manifest& manifest = {}) {
    ArtefactWriter writer(root_ / name, kind, overwrite);
    write_file(writer.file("rows.bin"), content);
    writer.commit(manifest);
    return root_ / name;
  }

  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path root_;
};

// FIPS 180-2, appendix B, and the well-known hash of nothing.
TEST_F(ArtefactTest, Sha256GivesThePublishedAnswers) {
  EXPECT_EQ(sha256_of_bytes("", 0),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of_bytes("abc", 3),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string million(1000000, 'a');
  const std::string expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  EXPECT_EQ(sha256_of_bytes(million.data(), 1000000), expected);
  write_file(root_ / "million", million);
  EXPECT_EQ(sha256_of_file(root_ / "million"), expected);
  const std::string large(5000000, 'b');
  write_file(root_ / "large", large);
  EXPECT_EQ(sha256_of_file(root_ / "large"), sha256_of_bytes(large.data(), 5000000));
}

TEST_F(ArtefactTest, Sha256OfAFileThatCannotBeReadIsAStorageError) {
  EXPECT_THAT(message_of<StorageError>([&] { sha256_of_file(root_ / "none"); }),
              AllOf(HasSubstr("none"), HasSubstr("No such file")));
  EXPECT_THAT(message_of<StorageError>([&] { sha256_of_file(root_); }),
              HasSubstr("Is a directory"));
}

TEST_F(ArtefactTest, CommitMakesAFolderThatReadsBackEqual) {
  Manifest written;
  {
    ArtefactWriter writer(root_ / "data", "dataset");
    write_file(writer.file("b.bin"), "bbb");
    write_file(writer.file("part/a.bin"), "aa");
    Manifest manifest;
    manifest.counts = {{"rows", 3}};
    manifest.config = {{"seed", 7}};
    manifest.made_from = {{"source", "1234"}};
    EXPECT_FALSE(fs::exists(root_ / "data"));
    written = writer.commit(manifest);
  }
  EXPECT_THAT(entries(), ElementsAre("data"));
  const Manifest read = read_manifest(root_ / "data", "dataset");
  EXPECT_EQ(read.kind, "dataset");
  EXPECT_EQ(read.counts, written.counts);
  EXPECT_EQ(read.config, written.config);
  EXPECT_EQ(read.made_from, written.made_from);
  EXPECT_EQ(read.hash, written.hash);
  EXPECT_EQ(read.hash.size(), 64U);
  EXPECT_EQ(read.short_hash(), read.hash.substr(0, 12));
  ASSERT_EQ(read.files.size(), 2U);
  EXPECT_EQ(read.files.at("b.bin").bytes, 3);
  EXPECT_EQ(read.files.at("part/a.bin").sha256, sha256_of_bytes("aa", 2));
  EXPECT_NO_THROW(verify_files(root_ / "data", read));
}

TEST_F(ArtefactTest, TheHashIsOverKindVersionOriginAndFilesInCanonicalJson) {
  const fs::path path = make("data", "dataset", "abc");
  const std::string canonical = R"({"files":{"rows.bin":{"bytes":3,"sha256":")"
                                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                                R"("}},"format_version":1,"kind":"dataset","made_from":{}})";
  EXPECT_EQ(read_manifest(path, "dataset").hash,
            sha256_of_bytes(canonical.data(), std::ssize(canonical)));
}

TEST_F(ArtefactTest, EqualContentGivesEqualBytesAnywhere) {
  const fs::path one = make("one", "dataset", "abc"), two = make("two", "dataset", "abc");
  EXPECT_EQ(read_file(one / "manifest.json"), read_file(two / "manifest.json"));
  const fs::path three = make("three", "dataset", "abd");
  EXPECT_NE(read_manifest(one, "dataset").hash, read_manifest(three, "dataset").hash);
}

TEST_F(ArtefactTest, TextThatIsNotUtf8DoesNotKeepAnArtefactFromBeingWritten) {
  Manifest manifest;
  manifest.config = {{"title", "caf\xE9"}};
  EXPECT_NO_THROW(read_manifest(make("data", "dataset", "abc", false, manifest), "dataset"));
}

TEST_F(ArtefactTest, MakesMissingParentsAndTakesATrailingSlash) {
  make("a/b/data/", "dataset", "abc");
  EXPECT_NO_THROW(read_manifest(root_ / "a/b/data", "dataset"));
  EXPECT_NO_THROW(read_manifest(root_ / "a/b/data/", "dataset"));
}

TEST_F(ArtefactTest, WithoutCommitNothingIsLeft) {
  {
    ArtefactWriter writer(root_ / "data", "dataset");
    write_file(writer.file("rows.bin"), "abc");
    EXPECT_EQ(entries().size(), 1U);
    EXPECT_EQ(entries()[0].front(), '.');
  }
  EXPECT_THAT(entries(), IsEmpty());
}

TEST_F(ArtefactTest, AnExceptionWhileWritingLeavesNothing) {
  EXPECT_THROW(
      {
        ArtefactWriter writer(root_ / "data", "dataset");
        write_file(writer.file("rows.bin"), "abc");
        throw DataError("bad row");
      },
      DataError);
  EXPECT_THAT(entries(), IsEmpty());
}

TEST_F(ArtefactTest, RefusesADestinationThatExists) {
  make("data", "dataset", "abc");
  EXPECT_THAT(message_of<UsageError>([&] { make("data", "dataset", "new"); }),
              AllOf(HasSubstr("data"), HasSubstr("exist"), HasSubstr("--overwrite")));
  EXPECT_EQ(read_file(root_ / "data/rows.bin"), "abc");
  EXPECT_THAT(entries(), ElementsAre("data"));
}

TEST_F(ArtefactTest, RefusesADestinationThatAppearedWhileWriting) {
  ArtefactWriter writer(root_ / "data", "dataset");
  write_file(root_ / "data", "somebody else's");
  EXPECT_THROW(writer.commit({}), UsageError);
  EXPECT_EQ(read_file(root_ / "data"), "somebody else's");
}

TEST_F(ArtefactTest, OverwriteReplacesAnArtefactOfTheSameKindAtCommit) {
  make("data", "dataset", "old");
  {
    ArtefactWriter writer(root_ / "data", "dataset", true);
    write_file(writer.file("other.bin"), "new");
    EXPECT_EQ(read_file(root_ / "data/rows.bin"), "old");
    writer.commit({});
  }
  EXPECT_THAT(entries(), ElementsAre("data"));
  EXPECT_FALSE(fs::exists(root_ / "data/rows.bin"));
  EXPECT_EQ(read_file(root_ / "data/other.bin"), "new");
  EXPECT_NO_THROW(read_manifest(root_ / "data", "dataset"));
  make("fresh", "dataset", "abc", true);  // nothing to overwrite: fine
}

TEST_F(ArtefactTest, OverwriteWithoutCommitKeepsTheOldOne) {
  make("data", "dataset", "old");
  { ArtefactWriter writer(root_ / "data", "dataset", true); }
  EXPECT_EQ(read_file(root_ / "data/rows.bin"), "old");
  EXPECT_THAT(entries(), ElementsAre("data"));
}

TEST_F(ArtefactTest, OverwriteRefusesWhatIsNotAnArtefactOfTheSameKind) {
  fs::create_directory(root_ / "home");
  write_file(root_ / "home/thesis.txt", "years of work");
  EXPECT_THAT(message_of<UsageError>([&] { make("home", "dataset", "x", true); }),
              AllOf(HasSubstr("home"), HasSubstr("not a tutti artefact")));
  EXPECT_EQ(read_file(root_ / "home/thesis.txt"), "years of work");
  write_file(root_ / "file", "a file");
  EXPECT_THROW(make("file", "dataset", "x", true), UsageError);
  make("ids", "id-table", "abc");
  EXPECT_THAT(message_of<UsageError>([&] { make("ids", "dataset", "x", true); }),
              HasSubstr("id-table"));
  EXPECT_EQ(read_file(root_ / "ids/rows.bin"), "abc");
}

TEST_F(ArtefactTest, RefusesADestinationWithoutAName) {
  EXPECT_THROW(ArtefactWriter("", "dataset"), UsageError);
  EXPECT_THROW(ArtefactWriter("/", "dataset"), UsageError);
  EXPECT_THROW(ArtefactWriter(".", "dataset"), UsageError);
  EXPECT_THROW(ArtefactWriter((root_ / "..").string(), "dataset"), UsageError);
}

TEST_F(ArtefactTest, AParentThatCannotBeMadeIsAStorageErrorWithTheSystemsReason) {
  write_file(root_ / "file", "not a folder");
  EXPECT_THAT(message_of<StorageError>([&] { make("file/data", "dataset", "x"); }),
              AllOf(HasSubstr("file"), HasSubstr("Not a directory")));
}

TEST_F(ArtefactTest, AFolderWithoutWritePermissionIsAStorageErrorWithTheSystemsReason) {
  // Root may write anywhere but in /proc.
  EXPECT_THAT(message_of<StorageError>([] { ArtefactWriter("/proc/tutti-data", "dataset"); }),
              HasSubstr("/proc/tutti-data"));
  if (::geteuid() == 0) return;
  fs::permissions(root_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THAT(message_of<StorageError>([&] { make("data", "dataset", "x"); }),
              HasSubstr("Permission denied"));
}

TEST_F(ArtefactTest, AFailedCommitLeavesNothing) {
  {
    ArtefactWriter writer(root_ / "sub/data", "dataset");
    write_file(writer.file("rows.bin"), "abc");
    fs::rename(root_ / "sub", root_ / "moved");  // the file system under us goes away
    EXPECT_THROW(writer.commit({}), StorageError);
  }
  EXPECT_FALSE(fs::exists(root_ / "moved/data"));
  EXPECT_FALSE(fs::exists(root_ / "sub"));
}

TEST_F(ArtefactTest, ReservedAndEscapingFileNamesAreOurBug) {
  ArtefactWriter writer(root_ / "data", "dataset");
  EXPECT_THROW(writer.file("manifest.json"), std::logic_error);
  EXPECT_THROW(writer.file("../x"), std::logic_error);
  EXPECT_THROW(writer.file(""), std::logic_error);
  writer.commit({});
  EXPECT_THROW(writer.file("late.bin"), std::logic_error);
  EXPECT_THROW(writer.commit({}), std::logic_error);
}

class ManifestErrors : public ArtefactTest {
 protected:
  std::string message() {
    return message_of<DataError>([&] { read_manifest(root_ / "data", "id-table"); });
  }
  void edit_manifest(const std::string& from, const std::string& to) {
    std::string text = read_file(root_ / "data/manifest.json");
    const size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos) << text;
    write_file(root_ / "data/manifest.json", text.replace(place, from.size(), to));
  }
};

TEST_F(ManifestErrors, AMissingFolder) {
  EXPECT_THAT(message(), AllOf(HasSubstr("no such folder"), HasSubstr("tutti ids build")));
}

TEST_F(ManifestErrors, AFileInsteadOfAFolder) {
  write_file(root_ / "data", "x");
  EXPECT_THAT(message(), HasSubstr("found a file"));
}

TEST_F(ManifestErrors, AFolderThatIsNoArtefact) {
  fs::create_directory(root_ / "data");
  EXPECT_THAT(message(), AllOf(HasSubstr("not a tutti artefact"), HasSubstr("tutti ids build")));
}

TEST_F(ManifestErrors, AnotherKind) {
  make("data", "dataset", "abc");
  EXPECT_THAT(message(), AllOf(HasSubstr("found a dataset"), HasSubstr("expected an id-table"),
                               HasSubstr("made by `tutti ids build`")));
}

TEST_F(ManifestErrors, ANewerFormat) {
  Manifest manifest;
  manifest.format_version = 2;
  make("data", "id-table", "abc", false, manifest);
  EXPECT_THAT(message(), AllOf(HasSubstr("format version 2"), HasSubstr("at most 1")));
  EXPECT_NO_THROW(read_manifest(root_ / "data", "id-table", 2));
}

TEST_F(ManifestErrors, AMissingFile) {
  make("data", "id-table", "abc");
  fs::remove(root_ / "data/rows.bin");
  EXPECT_THAT(message(), AllOf(HasSubstr("rows.bin"), HasSubstr("No such file")));
}

TEST_F(ManifestErrors, ATruncatedFile) {
  make("data", "id-table", "abc");
  write_file(root_ / "data/rows.bin", "ab");
  EXPECT_THAT(message(), AllOf(HasSubstr("rows.bin"), HasSubstr("found 2 bytes"),
                               HasSubstr("expected 3 bytes")));
}

TEST_F(ManifestErrors, AnEditedManifest) {
  make("data", "id-table", "abc");
  edit_manifest(R"("sha256": "ba)", R"("sha256": "bb)");
  EXPECT_THAT(message(), AllOf(HasSubstr("manifest.json"), HasSubstr("found hash")));
}

TEST_F(ManifestErrors, MalformedJson) {
  make("data", "id-table", "abc");
  write_file(root_ / "data/manifest.json", "{\"kind\": ");
  EXPECT_THAT(message(), AllOf(HasSubstr("manifest.json"), HasSubstr("byte 10")));
}

TEST_F(ManifestErrors, AFieldMissingOrOfAnotherType) {
  make("data", "id-table", "abc");
  edit_manifest("\"counts\"", "\"count\"");
  EXPECT_THAT(message(), AllOf(HasSubstr("manifest.json"), HasSubstr("counts")));
  fs::remove_all(root_ / "data");
  make("data", "id-table", "abc");
  edit_manifest(R"("bytes": 3)", R"("bytes": "3")");
  EXPECT_THAT(message(), HasSubstr("must be number"));
}

TEST_F(ArtefactTest, VerifyReadsEveryByte) {
  const fs::path path = make("data", "dataset", "abc");
  write_file(path / "rows.bin", "abd");  // same size: only the bytes tell
  const Manifest manifest = read_manifest(path, "dataset");
  EXPECT_THAT(message_of<DataError>([&] { verify_files(path, manifest); }),
              AllOf(HasSubstr("rows.bin"), HasSubstr("SHA-256")));
}

TEST_F(ArtefactTest, RequireMadeFromNamesBothHashes) {
  const Manifest one = read_manifest(make("one", "dataset", "abc"), "dataset");
  const Manifest two = read_manifest(make("two", "dataset", "abd"), "dataset");
  Manifest embeddings;
  embeddings.kind = "embeddings";
  EXPECT_THAT(message_of<DataError>([&] { require_made_from("emb", embeddings, "dataset", one); }),
              AllOf(HasSubstr("made from no dataset"), HasSubstr(one.short_hash())));
  embeddings.made_from["dataset"] = one.hash;
  EXPECT_NO_THROW(require_made_from("emb", embeddings, "dataset", one));
  EXPECT_THAT(message_of<DataError>([&] { require_made_from("emb", embeddings, "dataset", two); }),
              AllOf(HasSubstr("emb"), HasSubstr(one.short_hash()), HasSubstr(two.short_hash())));
}

}  // namespace
}  // namespace tutti
