#include "launch/front.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/commands.h"
#include "launch/nearest.h"

namespace tutti::launch {

namespace {

void print_overview() {
  std::string text =
      "tutti trains generative music retrieval: a listener's words in, track IDs out.\n\n"
      "usage: tutti COMMAND [options]\n"
      "       mpirun -n N tutti COMMAND [options]\n\n"
      "The road, in order:\n";
  size_t widest = 0;
  for (const Command& command : all_commands())
    widest = std::max(widest, std::string_view(command.name).size());
  for (const Command& command : all_commands()) {
    text += fmt::format("  {:<{}}  {}\n", command.name, widest, command.summary);
  }
  text +=
      "\ntutti COMMAND --help   options, defaults and an example\n"
      "tutti --version\n";
  std::fputs(text.c_str(), stdout);
}

int words_in(const std::string& name) {
  return 1 + static_cast<int>(std::count(name.begin(), name.end(), ' '));
}

std::string first_words(const std::vector<std::string>& args, int count) {
  std::string words;
  for (int i = 0; i < count && i < std::ssize(args) && args[i].rfind('-', 0) != 0; ++i) {
    words += (i == 0 ? "" : " ") + args[i];
  }
  return words;
}

// What is known to begin with this word: "ids" has "ids build".
std::string completions(const std::string& word) {
  std::string names;
  for (const Command& command : all_commands()) {
    const std::string name = command.name;
    if (name.rfind(word + " ", 0) == 0)
      names += (names.empty() ? "`tutti " : ", `tutti ") + name + "`";
  }
  return names;
}

[[noreturn]] void fail_unknown_command(const std::vector<std::string>& args) {
  if (args[0].rfind('-', 0) == 0) {
    throw UsageError(fmt::format("found '{}', expected a command; see `tutti --help`", args[0]));
  }
  // "impotr mpd" is judged against "import mpd", "tarin --out x" against "train".
  std::vector<std::string> one_word;
  std::vector<std::string> two_words;
  for (const Command& command : all_commands()) {
    (words_in(command.name) == 1 ? one_word : two_words).emplace_back(command.name);
  }
  std::string guess = nearest(first_words(args, 2), two_words);
  if (guess.empty()) guess = nearest(args[0], one_word);
  std::string hint = guess.empty() ? "" : fmt::format(" (did you mean `tutti {}`?)", guess);
  if (hint.empty()) {
    const std::string known = completions(args[0]);
    if (!known.empty()) hint = ", expected one of " + known;
  }
  const bool half = !completions(args[0]).empty();
  throw UsageError(fmt::format("unknown command '{}'{}; see `tutti --help`",
                               half ? first_words(args, 2) : args[0], hint));
}

}  // namespace

int run_front(const std::vector<std::string>& args, Communicator& comm) {
  const bool asks = args.empty() || args[0] == "--help" || args[0] == "-h" || args[0] == "help";
  if (asks || args[0] == "--version") {
    if (comm.is_root() && asks) print_overview();
    if (comm.is_root() && !asks) std::puts("tutti " TUTTI_VERSION);
    return 0;
  }
  for (const Command& command : all_commands()) {
    const int words = words_in(command.name);
    if (first_words(args, words) != command.name) continue;
    const std::vector<std::string> rest(args.begin() + words, args.end());
    const auto end = std::find(rest.begin(), rest.end(), "--");
    const bool help = std::any_of(rest.begin(), end, [](const std::string& word) {
      return word == "--help" || word == "-h";
    });
    if (help && !comm.is_root()) return 0;  // it is said once
    return command.run(rest, comm);
  }
  fail_unknown_command(args);
}

}  // namespace tutti::launch
