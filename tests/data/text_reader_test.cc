#include "data/import/text_reader.h"

#include "data/import/csv_reader.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string long_text() {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "line " + std::to_string(i * 7919 % 100'003) + "\n";
  return text;
}

std::vector<std::vector<std::string>> csv_rows(const std::filesystem::path& path) {
  CsvReader csv(path);
  std::vector<std::vector<std::string>> rows;
  while (csv.next()) {
    rows.emplace_back();
    for (size_t i = 0; i < csv.columns().size(); ++i) rows.back().push_back(csv.field(i));
  }
  return rows;
}

TEST(TextReader, ReadsLinesOfPlainAndGzipFilesAlike) {
  TempFolder folder;
  const std::string text = long_text();
  for (const auto& path : {write_bytes(folder / "a", text), write_gzip(folder / "b", text)}) {
    TextReader reader(path);
    std::string joined;
    for (std::string line; reader.next_line(&line);) joined += line + "\n";
    EXPECT_EQ(joined, text);
    EXPECT_EQ(reader.line(), 100'000);
    EXPECT_EQ(TextReader(path).rest(), text);
  }
}

TEST(TextReader, TakesBothLineEndsAndALastLineWithoutOne) {
  TempFolder folder;
  TextReader reader(write_bytes(folder / "a", "one\r\n\ntwo"));
  std::vector<std::string> lines;
  for (std::string line; reader.next_line(&line);) lines.push_back(line);
  EXPECT_THAT(lines, ElementsAre("one", "", "two"));
}

TEST(TextReader, NamesTruncatedAndDamagedGzip) {
  TempFolder folder;
  const auto path = write_gzip(folder / "a.gz", long_text());
  std::string bytes = read_bytes(path);
  write_bytes(path, bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(
      message_of<DataError>([&] { TextReader(path).rest(); }),
      HasSubstr("a.gz: byte " + std::to_string(bytes.size() / 2) + ": found truncated gzip"));
  bytes[bytes.size() - 6] ^= 1;  // the stored checksum
  write_bytes(path, bytes);
  EXPECT_THAT(message_of<DataError>([&] { TextReader(path).rest(); }), HasSubstr("damaged gzip"));
}

TEST(TextReader, NamesMissingFilesAndFolders) {
  TempFolder folder;
  EXPECT_THAT(message_of<DataError>([&] { TextReader reader(folder / "none"); }),
              HasSubstr("none: found no such file"));
  EXPECT_THAT(message_of<DataError>([&] { TextReader reader(folder.path()); }),
              HasSubstr("found a folder, expected a file"));
}

TEST(CsvReader, ReadsQuotedFields) {
  TempFolder folder;
  const auto path = write_bytes(folder / "a.csv",
                                "\xEF\xBB\xBFid,text\r\n"
                                "1,plain\r\n"
                                "\n"
                                "2,\"comma, \"\"quote\"\"\nand line\"\r\n"
                                "3,\"\"\n"
                                "4,");
  EXPECT_THAT(csv_rows(path),
              ElementsAre(ElementsAre("1", "plain"), ElementsAre("2", "comma, \"quote\"\nand line"),
                          ElementsAre("3", ""), ElementsAre("4", "")));
}

TEST(CsvReader, CountsLinesInsideQuotes) {
  TempFolder folder;
  CsvReader csv(write_bytes(folder / "a.csv", "id\n\"a\nb\"\nc\n"));
  ASSERT_TRUE(csv.next());
  EXPECT_EQ(csv.place(), "line 2");
  ASSERT_TRUE(csv.next());
  EXPECT_EQ(csv.place(), "line 4");
}

TEST(CsvReader, RefusesWhatIsNoCsv) {
  TempFolder folder;
  const auto message = [&](const std::string& text) {
    const auto path = write_bytes(folder / "a.csv", text);
    return message_of<DataError>([&] { csv_rows(path); });
  };
  EXPECT_THAT(message(""), HasSubstr("no header"));
  EXPECT_THAT(message("a,a\n"), HasSubstr("column 'a' a second time"));
  EXPECT_THAT(message("a,b\n1,2\n3\n"), HasSubstr("line 3: found 1 fields, expected 2"));
  EXPECT_THAT(message("a,b\n1,\"2\n\n"), HasSubstr("line 2: found a quoted field that does not"));
  EXPECT_THAT(message("a,b\n1,\"2\"x\n"), HasSubstr("line 2: found text behind a quoted field"));
  EXPECT_THAT(message("a,b\n1,12\" mix\n"), HasSubstr("double quote inside a plain field"));
}

}  // namespace
}  // namespace tutti::data
