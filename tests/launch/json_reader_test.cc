#include "launch/json_reader.h"

#include <gmock/gmock.h>

#include <cmath>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::launch {
namespace {

using testing::HasSubstr;

TEST(JsonReader, NamesFileAndPlaceOfWhatIsWrong) {
  const auto document = nlohmann::json::parse(R"({"blocks": [{"rows": [{"name": 7}]}]})");
  const JsonReader reader(document, "scores.json", "tutti evaluate --json");
  const auto row = reader.at("blocks").elements()[0].at("rows").elements()[0];
  EXPECT_THAT(message_of<DataError>([&] { row.at("name").text(); }),
              HasSubstr("scores.json: blocks[0].rows[0].name: found 7, expected a text"));
  EXPECT_THAT(message_of<DataError>([&] { row.at("score"); }),
              HasSubstr("blocks[0].rows[0]: found no 'score'"));
  EXPECT_THAT(message_of<DataError>([&] { reader.at("blocks").number(); }), HasSubstr("blocks"));
  EXPECT_THAT(message_of<DataError>([&] { row.elements(); }), HasSubstr("a list"));
}

TEST(JsonReader, ReadsNullAsNotANumber) {
  const nlohmann::json document = {{"loss", nullptr}};
  EXPECT_TRUE(std::isnan(JsonReader(document, "f", "c").at("loss").number()));
}

TEST(ReadJson, NamesTheByte) {
  const TempFolder folder;
  const auto path = write_bytes(folder / "a.json", R"({"a": )");
  EXPECT_THAT(message_of<DataError>([&] { read_json(path.string()); }), HasSubstr("byte 7"));
}

}  // namespace
}  // namespace tutti::launch
