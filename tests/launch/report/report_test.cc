#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "launch/report/model_card.h"
#include "launch/report/sections.h"
#include "tests/launch/report/report_case.h"

namespace tutti::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ReportInputs inputs_of(const std::vector<nlohmann::json>& documents) {
  ReportInputs inputs;
  for (const auto& document : documents) {
    inputs.scores.push_back(scores_of(document, "scores.json"));
  }
  return inputs;
}

nlohmann::json with_options(nlohmann::json document, const nlohmann::json& options) {
  document["options"].update(options);
  return document;
}

TEST(Report, SaysInItsFirstLinesThatABaselineWins) {
  const auto text = markdown_of(make_report(inputs_of({scores_document()})));
  const size_t first = text.find("A baseline finds more on 1 of 2 sets of queries");
  ASSERT_NE(first, std::string::npos);
  EXPECT_LT(first, text.find("## Systems"));
  EXPECT_THAT(text, HasSubstr("seen titles: a baseline wins. hits@10 of generative 0.500"));
  EXPECT_THAT(text, HasSubstr("; ratio 0.50."));
  // A difference that may be chance is called so.
  EXPECT_THAT(text, HasSubstr("; ratio 1.20, which cannot be told from chance (p 0.40"));
}

TEST(Report, SaysHowSureTheRatioToTheBestBaselineIs) {
  auto document = scores_document();
  document["blocks"][0]["to_baseline"] = {
      {"row", 0}, {"ratio", 0.5}, {"low", 0.42}, {"high", 0.61}};
  EXPECT_THAT(html_of(make_report(inputs_of({document}))), HasSubstr("; ratio 0.50 [0.42, 0.61]."));
}

TEST(Report, DrawsBarsOfHitsByPopularityOfTheTrack) {
  auto document = scores_document();
  EXPECT_THAT(html_of(make_report(inputs_of({document}))),
              Not(HasSubstr("popularity of the track")));
  for (auto& row : document["blocks"][0]["rows"]) {
    for (const char* name : {"hits_head@10", "hits_torso@10", "hits_tail@10"})
      row["metrics"][name] = {{"mean", 0.25}, {"low", 0.125}, {"high", 0.5}};
  }
  EXPECT_THAT(html_of(make_report(inputs_of({document}))),
              AllOf(HasSubstr("hits@10 by popularity of the track on seen titles"),
                    HasSubstr(">head (top 1 %)</text>"), HasSubstr(">tail</text>")));
}

TEST(Report, SaysWhenNoBaselineWins) {
  auto document = scores_document();
  document["blocks"].erase(0);
  EXPECT_THAT(markdown_of(make_report(inputs_of({document}))),
              AllOf(HasSubstr("No baseline finds more"), Not(HasSubstr("a baseline wins"))));
}

TEST(Report, NeedsNothingFromOutside) {
  const auto html = html_of(make_report(inputs_of({scores_document()})));
  for (const char* outside : {"http:", "https:", "src=", "<script", "<link", "@import", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
}

TEST(Report, EscapesNamesOfOthersEverywhere) {
  auto document = scores_document();
  const std::string evil = "<img src=x onerror=alert(1)>\"'";
  document["heading"] = {evil};
  document["notes"] = {evil};
  document["blocks"][0]["name"] = document["blocks"][0]["meaning"] = evil;
  document["blocks"][0]["rows"][0]["ranker"] = evil;
  auto inputs = inputs_of({document, with_options(document, {{"beam", 20}})});
  inputs.examples = {{evil, evil, 1, {{evil, {evil}, {true}}}}};
  RunLog run;
  run.name = evil;
  run.steps = {{1, 1, 2}, {2, 2, 1}};
  run.validations = {{2, 2, 0.5, 0.5, 0.5, 1}};
  inputs.runs = {run, run};
  const auto report = make_report(inputs);
  EXPECT_THAT(html_of(report), AllOf(Not(HasSubstr("<img")), HasSubstr("&lt;img")));
  EXPECT_THAT(markdown_of(report), Not(HasSubstr(" <img")));
  EXPECT_THAT(model_card(inputs), Not(HasSubstr(" <img")));
}

TEST(Report, LeavesOutWhatIsMissingAndSaysWhatWouldBringIt) {
  const auto html = html_of(make_report(inputs_of({scores_document()})));
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<h2>Learning")), Not(HasSubstr("<h2>Decoding")),
                          HasSubstr("learning curves: the run folder"),
                          HasSubstr("the folder of tutti ids report"),
                          HasSubstr("tutti evaluate --dump-run")));
}

TEST(Report, DrawsBarsOfStrata) {
  auto document = scores_document();
  const nlohmann::json hits = {{"mean", 0.5}, {"low", 0.25}, {"high", 1}};
  for (const char* name : {"1 word", "2 words"}) {
    document["blocks"][0]["strata"].push_back(
        {{"by", "title length"}, {"name", name}, {"queries", 9}, {"rows", {hits, hits}}});
  }
  const auto report = make_report(inputs_of({document}));
  EXPECT_THAT(html_of(report), AllOf(HasSubstr("hits@10 by title length on seen titles"),
                                     HasSubstr(">2 words (9)</text>"), HasSubstr("whisker")));
  EXPECT_EQ(report.csv_files[1].rows.size(), 1U + 2 * 2);
}

TEST(Report, DrawsHitsAgainstBeamWidth) {
  const auto document = scores_document();
  auto html = html_of(make_report(inputs_of({document, with_options(document, {{"beam", 40}})})));
  EXPECT_THAT(html,
              AllOf(HasSubstr("Hits against beam width"), Not(HasSubstr("diversity penalty\""))));
  // Another checkpoint is another line of the table, not a point of the curve.
  auto other = with_options(document, {{"beam", 40}});
  other["checkpoint"]["hash"] = "another";
  html = html_of(make_report(inputs_of({document, other})));
  EXPECT_THAT(html, AllOf(HasSubstr("All evaluations"), Not(HasSubstr("Hits against beam width"))));
}

TEST(Report, DrawsHitsAgainstPenaltyAndDistinctArtists) {
  const auto document = scores_document();
  const auto html = html_of(make_report(
      inputs_of({document, with_options(document, {{"groups", 5}, {"diversity", 0.25}})})));
  EXPECT_THAT(html, AllOf(HasSubstr("Hits against the diversity penalty"),
                          HasSubstr("Hits against distinct artists"), HasSubstr(">0.25</text>"),
                          Not(HasSubstr("Hits against beam width"))));
}

TEST(Report, DrawsASweepBesideAnEvaluationOfTheTestPart) {
  const auto document = scores_document();
  const auto swept = [&](int groups, double penalty) {
    return with_options(document,
                        {{"split", "validation"}, {"groups", groups}, {"diversity", penalty}});
  };
  const auto html = html_of(make_report(
      inputs_of({document, swept(1, 0), swept(5, 0.25), swept(5, 0.5), swept(10, 0.5)})));
  EXPECT_THAT(html, AllOf(HasSubstr("asked the same (validation part)"),
                          HasSubstr("seen titles, ordinary beams"),
                          HasSubstr("seen titles, 5 groups"), HasSubstr("seen titles, 10 groups")));
}

TEST(Report, MarksHitsOfExamples) {
  ReportInputs inputs;
  inputs.examples = {
      {"seen titles", "rain", 2, {{"BM25", {"a", "b"}, {false, true}}, {"model", {"c"}, {true}}}}};
  const auto html = html_of(make_report(inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("<td>a</td>"), HasSubstr("<td class=\"mark\">+ b</td>"),
                          HasSubstr("<td class=\"mark\">+ c</td>"), HasSubstr("model (1)")));
}

TEST(Report, PutsFullDigitsIntoCsv) {
  const auto report = make_report(inputs_of({scores_document()}));
  ASSERT_EQ(report.csv_files.size(), 1U);
  EXPECT_THAT(csv_table(report.csv_files[0].rows),
              HasSubstr("scores.json,seen titles,BM25,hits@10,1,0.9,1.1\n"));
}

TEST(ModelCard, SaysThatPlaylistsAreSimulatedAndWhereABaselineWins) {
  auto document = scores_document();
  EXPECT_THAT(model_card(inputs_of({document})),
              AllOf(HasSubstr("**The playlists are SIMULATED"), HasSubstr("- simulated-data"),
                    HasSubstr("- On seen titles BM25 finds more"),
                    HasSubstr("give `tutti report` the run folder")));
  document["simulated"] = false;
  EXPECT_THAT(model_card(inputs_of({document})), Not(HasSubstr("imulated-data")));
}

TEST(ModelCard, TellsTheRecipeWithoutPlaces) {
  ReportInputs inputs;
  RunLog run;
  run.name = "run";
  run.config = "[train]\ndataset = /home/me/data\nsteps = 5\nlearning-rate = 0.001\n";
  inputs.runs = {run};
  EXPECT_THAT(model_card(inputs), AllOf(HasSubstr("steps = 5\n"), Not(HasSubstr("/home/me"))));
}

TEST(Report, ListsAnOracleButNamesTheBestOfTheOthers) {
  auto document = scores_document();
  auto& block = document["blocks"][0];
  auto oracle = scored_row("BM25 tags, oracle", 7, 1);
  oracle["oracle"] = true;
  block["rows"].insert(block["rows"].begin(), oracle);
  block["best"] = 1;
  const auto text = markdown_of(make_report(inputs_of({document})));
  EXPECT_THAT(text, HasSubstr("| BM25 tags, oracle | 7.000"));
  EXPECT_THAT(text, HasSubstr("seen titles: a baseline wins. hits@10 of generative 0.500"));
  EXPECT_THAT(text, HasSubstr("of BM25 1.000"));
}

TEST(Report, ShowsTheExamplesOfTheScoresBestSystemsFirst) {
  auto document = scores_document();
  const auto system = [](const char* ranker, const char* track, bool hit) {
    return nlohmann::json{{"ranker", ranker}, {"tracks", {track}}, {"hits", {hit}}};
  };
  document["blocks"][0]["examples"] = {
      {{"prompt", "rainy evening"},
       {"relevant", 4},
       {"systems", {system("BM25", "Sunny", false), system("generative", "Rain", true)}}}};
  const auto text = markdown_of(make_report(inputs_of({document})));
  EXPECT_THAT(text, HasSubstr("rainy evening"));
  EXPECT_THAT(text, HasSubstr("4 right tracks"));
  EXPECT_THAT(text, HasSubstr("+ Rain"));
  EXPECT_LT(text.find("generative (1)"), text.find("BM25 (0)"));
  document["blocks"][0]["examples"][0]["systems"].erase(0);
  EXPECT_THROW(inputs_of({document}), DataError);
}

TEST(Report, TellsWhatTheListsAreLike) {
  auto document = scores_document();
  for (auto& row : document["blocks"][0]["rows"]) {
    row["lists"] = {{"coverage", 0.0125}, {"gini", 0.875}, {"distinct", 1}};
  }
  const auto text = markdown_of(make_report(inputs_of({document})));
  EXPECT_THAT(text, AllOf(HasSubstr("The lists on seen titles"), HasSubstr("coverage"),
                          HasSubstr("0.0125"), HasSubstr("0.875")));
}

}  // namespace
}  // namespace tutti::launch
