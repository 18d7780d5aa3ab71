#include "launch/options.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The options of a command that does not exist, with one of each type.
struct Sample {
  std::string out = "here";
  bool overwrite = false, unique = true;
  int threads = 1;
  int64_t num_codes = 1024;
  uint64_t seed = 0;
  double rate = 3e-3;
  std::vector<std::string> tags = {"a"};
  std::vector<std::string> prompts;
  Options options{"try it", "Tries it.", "tutti try it --out x \"two words\""};

  explicit Sample(bool with_prompts = false) {
    options.add("out", &out, "folder to make")
        .add("overwrite", &overwrite, "replace it")
        .add("unique", &unique, "one ID for each track")
        .add("threads", &threads, "threads a rank")
        .add("num-codes", &num_codes, "codes a level")
        .add("seed", &seed, "of all random choices")
        .add("rate", &rate, "learning rate")
        .add("tags", &tags, "may be given more than once");
    if (with_prompts) options.positional("prompt", &prompts, "what to play");
  }

  std::string error_of(const std::vector<std::string>& args) {
    try {
      options.parse(args);
    } catch (const UsageError& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
      return error.what();
    }
    return "no error";
  }
};

class OptionsTest : public testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"TUTTI_NUM_CODES", "TUTTI_OVERWRITE", "TUTTI_CONFIG", "TUTTI_SEDE"}) {
      unsetenv(name);
    }
    std::filesystem::remove(ini_);
  }
  std::string ini(const std::string& text) {
    std::ofstream(ini_) << text;
    return ini_;
  }

  std::string ini_ = testing::TempDir() + "tutti_options_test_" + std::to_string(getpid()) + ".ini";
};

TEST_F(OptionsTest, TakeAFlagAloneForItsBareFormWhereItHasOne) {
  const auto parsed = [](const std::vector<std::string>& args) {
    std::string resume = "never", out;
    Options options("go on", "Goes on.", "tutti go on --resume");
    options.add_with_bare_form("resume", "auto", &resume, "from where").add("out", &out, "folder");
    options.parse(args);
    return resume + " " + out;
  };
  EXPECT_EQ(parsed({}), "never ");
  EXPECT_EQ(parsed({"--resume"}), "auto ");
  EXPECT_EQ(parsed({"--resume", "--out", "x"}), "auto x");
  EXPECT_EQ(parsed({"--out", "x", "--resume", "run"}), "run x");
  EXPECT_EQ(parsed({"--resume=never", "--out", "x"}), "never x");
}

TEST_F(OptionsTest, KeepTheDefaultsWhenNothingIsGiven) {
  Sample sample;
  EXPECT_TRUE(sample.options.parse({}));
  EXPECT_EQ(sample.out, "here");
  EXPECT_EQ(sample.num_codes, 1024);
  EXPECT_TRUE(sample.unique);
  EXPECT_THAT(sample.tags, ElementsAre("a"));
}

TEST_F(OptionsTest, ReadEveryTypeFromFlags) {
  Sample sample(true);
  EXPECT_TRUE(sample.options.parse({"--out", "x y", "--overwrite", "two words", "--threads=2",
                                    "--num-codes=-5", "--seed", "18446744073709551615", "--rate",
                                    "1e-4", "--tags", "b", "--tags=c", "--no-unique", "more"}));
  EXPECT_EQ(sample.out, "x y");
  EXPECT_TRUE(sample.overwrite);
  EXPECT_FALSE(sample.unique);
  EXPECT_EQ(sample.threads, 2);
  EXPECT_EQ(sample.num_codes, -5);
  EXPECT_EQ(sample.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(sample.rate, 1e-4);
  EXPECT_THAT(sample.tags, ElementsAre("b", "c"));
  EXPECT_THAT(sample.prompts, ElementsAre("two words", "more"));
}

TEST_F(OptionsTest, PreferFlagsOverEnvironmentOverFileOverDefault) {
  const std::string file = ini("num-codes = 1\n");
  Sample from_file;
  from_file.options.parse({"--config", file});
  EXPECT_EQ(from_file.num_codes, 1);

  setenv("TUTTI_NUM_CODES", "2", 1);
  Sample from_environment;
  from_environment.options.parse({"--config", file});
  EXPECT_EQ(from_environment.num_codes, 2);

  Sample from_flag;
  from_flag.options.parse({"--config", file, "--num-codes", "3"});
  EXPECT_EQ(from_flag.num_codes, 3);
}

TEST_F(OptionsTest, TakeTheFileFromTheEnvironmentAndFlagsFromIt) {
  setenv("TUTTI_CONFIG", ini("overwrite = yes\n").c_str(), 1);
  Sample sample;
  sample.options.parse({});
  EXPECT_TRUE(sample.overwrite);
}

TEST_F(OptionsTest, IgnoreOtherVariablesAndEmptyOnes) {
  setenv("TUTTI_SEDE", "5", 1);
  setenv("TUTTI_NUM_CODES", "", 1);
  Sample sample;
  EXPECT_TRUE(sample.options.parse({}));
  EXPECT_EQ(sample.num_codes, 1024);
}

TEST_F(OptionsTest, SuggestTheNearestFlag) {
  EXPECT_THAT(Sample().error_of({"--num-code", "3"}), HasSubstr("did you mean --num-codes?"));
  EXPECT_THAT(Sample().error_of({"--overwirte"}), HasSubstr("did you mean --overwrite?"));
  EXPECT_THAT(Sample().error_of({"-out", "x"}), HasSubstr("did you mean --out?"));
  EXPECT_THAT(Sample().error_of({"--frobnicate"}),
              testing::AllOf(HasSubstr("--frobnicate"), Not(HasSubstr("did you mean"))));
}

TEST_F(OptionsTest, ShowAnUnknownOptionAsItWasTyped) {
  EXPECT_THAT(Sample().error_of({"-out", "x"}),
              HasSubstr("unknown option -out (did you mean --out?)"));
  EXPECT_THAT(Sample().error_of({"--oot", "x"}),
              HasSubstr("unknown option --oot (did you mean --out?)"));
  EXPECT_THAT(Sample().error_of({"---"}), HasSubstr("unknown option ---"));
}

TEST_F(OptionsTest, DoNotAcceptAbbreviations) {
  EXPECT_THAT(Sample().error_of({"--over"}), HasSubstr("unknown option --over"));
}

TEST_F(OptionsTest, SuggestTheNearestKeyOfAFileAndNameTheLine) {
  const std::string error = Sample().error_of({"--config", ini("seed = 1\nnum_codes = 3\n")});
  EXPECT_THAT(error, HasSubstr("line 2"));
  EXPECT_THAT(error, HasSubstr("did you mean num-codes?"));
}

TEST_F(OptionsTest, NameWhereAWrongValueStands) {
  EXPECT_THAT(
      Sample().error_of({"--threads", "two"}),
      testing::AllOf(HasSubstr("--threads"), HasSubstr("'two'"), HasSubstr("whole number")));
  EXPECT_THAT(Sample().error_of({"--seed=-1"}), HasSubstr("0 to 18446744073709551615"));
  EXPECT_THAT(Sample().error_of({"--num-codes", "1e3"}), HasSubstr("whole number"));
  EXPECT_THAT(Sample().error_of({"--rate", "nan"}), HasSubstr("a number"));
  EXPECT_THAT(Sample().error_of({"--overwrite=maybe"}), HasSubstr("true or false"));
  EXPECT_THAT(Sample().error_of({"--config", ini("\nrate = 1x\n")}), HasSubstr("line 2: rate"));
  setenv("TUTTI_NUM_CODES", "many", 1);
  EXPECT_THAT(Sample().error_of({}), HasSubstr("TUTTI_NUM_CODES"));
}

TEST_F(OptionsTest, RefuseAFlagWithoutItsValue) {
  EXPECT_THAT(Sample().error_of({"--out"}), HasSubstr("--out"));
  EXPECT_THAT(Sample().error_of({"--out", "--overwrite"}), HasSubstr("--out"));
  EXPECT_THAT(Sample().error_of({"--out", "--overwrit"}), HasSubstr("needs a value"));
}

TEST_F(OptionsTest, RefuseASingleValueGivenTwice) {
  EXPECT_THAT(Sample().error_of({"--out", "a", "--out", "b"}), HasSubstr("2 values"));
  EXPECT_THAT(Sample().error_of({"--config", ini("seed = 1\nseed = 2\n")}), HasSubstr("2 values"));
}

TEST_F(OptionsTest, RefuseStrayAndMissingArguments) {
  EXPECT_THAT(Sample().error_of({"stray"}), HasSubstr("unexpected argument 'stray'"));
  EXPECT_THAT(Sample(true).error_of({}), HasSubstr("missing argument PROMPT"));
}

TEST_F(OptionsTest, RefuseWhenARequiredOptionIsMissing) {
  std::string dataset;
  Sample sample;
  sample.options.require("dataset", &dataset, "what to read");
  EXPECT_THAT(sample.error_of({}), HasSubstr("missing option --dataset"));
  EXPECT_TRUE(sample.options.parse({"--dataset", "d"}));
  EXPECT_EQ(dataset, "d");
}

TEST_F(OptionsTest, TakeWordsAfterTwoDashesAsTheyAre) {
  Sample sample(true);
  sample.options.parse({"--", "--sunny", "--help"});
  EXPECT_THAT(sample.prompts, ElementsAre("--sunny", "--help"));
}

TEST_F(OptionsTest, AcceptTheirOwnResolvedConfig) {
  Sample written(true);
  written.options.parse({"--out", "a # b = [c]", "--no-unique", "--rate", "0.1", "--tags", "x",
                         "--tags", "y", "--seed", "9", "rainy evening"});
  Sample read(true);
  read.options.parse({"--config", ini(written.options.resolved_ini())});
  EXPECT_EQ(read.options.resolved(), written.options.resolved());
  EXPECT_EQ(read.out, "a # b = [c]");
  EXPECT_THAT(read.prompts, ElementsAre("rainy evening"));
}

TEST_F(OptionsTest, KeepAnEmptyListEmptyThroughTheResolvedConfig) {
  Sample written;
  written.options.parse({"--tags", ""});
  EXPECT_THAT(written.tags, IsEmpty());
  Sample read;
  read.options.parse({"--config", ini(written.options.resolved_ini())});
  EXPECT_THAT(read.tags, IsEmpty());
}

TEST_F(OptionsTest, ReadTheirOwnSectionOfASharedFile) {
  const std::string file = ini("[train]\nsteps = 5\n[try it]\nseed = 4\n");
  Sample sample;
  sample.options.parse({"--config", file});
  EXPECT_EQ(sample.seed, 4u);
  EXPECT_THAT(Sample().error_of({"--config", ini("[train]\nseed = 4\n")}),
              HasSubstr("no section [try it]"));
}

TEST_F(OptionsTest, RefuseAFileThatIsNotThere) {
  EXPECT_THAT(Sample().error_of({"--config", "missing.ini"}), HasSubstr("missing.ini"));
}

TEST_F(OptionsTest, GiveResolvedValuesWithTheirTypes) {
  Sample sample;
  sample.options.parse({"--overwrite"});
  const nlohmann::json expected = {{"out", "here"}, {"overwrite", true}, {"unique", true},
                                   {"threads", 1},  {"num-codes", 1024}, {"seed", 0},
                                   {"rate", 3e-3},  {"tags", {"a"}}};
  EXPECT_EQ(sample.options.resolved(), expected);
}

TEST_F(OptionsTest, PrintHelpWithDefaultsAndTheExample) {
  Sample sample(true);
  testing::internal::CaptureStdout();
  EXPECT_FALSE(sample.options.parse({"--wrong", "--help"}));
  const std::string help = testing::internal::GetCapturedStdout();
  EXPECT_THAT(help, HasSubstr("usage: tutti try it PROMPT... [options]"));
  EXPECT_THAT(help, HasSubstr("--num-codes N"));
  EXPECT_THAT(help, HasSubstr("--out DIR"));
  EXPECT_THAT(help, HasSubstr("--tags TEXT"));
  EXPECT_THAT(help, HasSubstr("(default: 1024)"));
  EXPECT_THAT(help, HasSubstr("--no-unique turns it off"));
  EXPECT_THAT(help, HasSubstr("tutti try it --out x \"two words\""));
}

}  // namespace
}  // namespace tutti::launch
