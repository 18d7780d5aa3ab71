#include "launch/options.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/ini.h"
#include "launch/nearest.h"
#include "launch/option_help.h"
#include "launch/option_value.h"

namespace tutti::launch {

namespace po = boost::program_options;

namespace {

// TUTTI_NUM_CODES for "num-codes".
std::string environment_name(const std::string& option) {
  std::string name = "TUTTI_";
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

using Given = std::map<std::string, std::vector<std::string>>;  // option -> texts

}  // namespace

struct Options::Impl {
  std::string command, summary, example;
  std::string config;
  std::vector<OptionEntry> entries;

  OptionEntry* find(const std::string& name) {
    const auto it =
        std::find_if(entries.begin(), entries.end(), [&](auto& e) { return e.name == name; });
    return it == entries.end() ? nullptr : &*it;
  }

  void add(OptionEntry entry) {
    TUTTI_CHECK(find(entry.name) == nullptr, "two options --" + entry.name);
    entry.initial = option_texts(entry.target);
    entries.push_back(std::move(entry));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw UsageError(fmt::format("tutti {}: {}; see `tutti {} --help`", command, what, command));
  }

  // `typed`: with its dashes, none in an INI file, where positional arguments have names too.
  [[noreturn]] void fail_unknown(const std::string& where, const std::string& typed) const {
    const std::string name = typed.substr(std::min(typed.find_first_not_of('-'), typed.size()));
    const bool is_flag = name.size() < typed.size();
    std::vector<std::string> names;
    for (const OptionEntry& entry : entries) {
      if (!is_flag || !entry.positional) names.push_back(entry.name);
    }
    const std::string guess = nearest(name, names);
    const std::string hint =
        guess.empty() ? "" : fmt::format(" (did you mean {}{}?)", is_flag ? "--" : "", guess);
    fail(fmt::format("{}unknown option {}{}", where, typed, hint));
  }

  void set(OptionEntry* entry, const std::vector<std::string>& texts, const std::string& place) {
    const std::string expected = set_option(entry->target, texts);
    if (!expected.empty()) {
      const std::string found =
          texts.size() == 1 ? "'" + texts[0] + "'" : fmt::format("{} values", texts.size());
      fail(fmt::format("{}: found {}, expected {}", place, found, expected));
    }
    entry->given = true;
  }

  po::options_description described() const {
    po::options_description description;
    for (const OptionEntry& entry : entries) {
      if (!entry.positional)
        description.add_options()(entry.name.c_str(), po::value<std::string>());
    }
    return description;
  }

  // Flags with their value attached, since Boost would take the word after a bare flag for it:
  // --NAME is --NAME=true, and --no-NAME is --NAME=false where NAME is on by default. Texts with a
  // bare form get that when no value follows.
  std::vector<std::string> with_attached_flags(std::vector<std::string> args) const {
    for (size_t i = 0; i < args.size(); ++i) {
      std::string& arg = args[i];
      const bool value_follows = i + 1 < args.size() && !args[i + 1].starts_with("--");
      for (const OptionEntry& entry : entries) {
        if (!entry.bare.empty() && !value_follows && arg == "--" + entry.name)
          arg += "=" + entry.bare;
        if (!std::holds_alternative<bool*>(entry.target)) continue;
        if (arg == "--" + entry.name) {
          arg += "=true";
        } else if (is_on_by_default(entry) && arg == "--no-" + entry.name) {
          arg = "--" + entry.name + "=false";
        }
      }
    }
    return args;
  }

  Given from_flags(const std::vector<std::string>& args, std::vector<std::string>* words) const {
    const auto end_of_flags = std::find(args.begin(), args.end(), "--");
    Given given;
    try {
      namespace style = po::command_line_style;
      const po::options_description description = described();
      const po::parsed_options parsed =
          po::command_line_parser(with_attached_flags({args.begin(), end_of_flags}))
              .options(description)
              .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
              .allow_unregistered()
              .run();
      for (const po::option& option : parsed.options) {
        if (option.position_key >= 0 || option.string_key.empty()) {
          for (const std::string& word : option.value) take_word(word, words);
        } else if (option.unregistered) {
          fail_unknown("", "--" + option.string_key);
        } else {
          take_flag(option, &given);
        }
      }
    } catch (const po::error& error) {
      fail(error.what());
    }
    if (end_of_flags != args.end()) words->insert(words->end(), end_of_flags + 1, args.end());
    return given;
  }

  void take_word(const std::string& word, std::vector<std::string>* words) const {
    const bool flag_like =
        word.size() > 1 && word[0] == '-' && !std::isdigit(static_cast<unsigned char>(word[1]));
    if (flag_like) fail_unknown("", word);
    words->push_back(word);
  }

  void take_flag(const po::option& option, Given* given) const {
    const std::vector<std::string>& texts = option.value;
    // Boost takes the next token whatever it is; a value that looks like a flag must be attached.
    if (texts[0].rfind("--", 0) == 0 && option.original_tokens.size() > 1) {
      fail(fmt::format("--{} needs a value, found '{}'", option.string_key, texts[0]));
    }
    auto& all = (*given)[option.string_key];
    all.insert(all.end(), texts.begin(), texts.end());
  }

  Given from_environment() const {
    std::map<std::string, std::string> by_variable;
    po::options_description all;
    for (const OptionEntry& entry : entries) {
      by_variable[environment_name(entry.name)] = entry.name;
      all.add_options()(entry.name.c_str(), po::value<std::string>());
    }
    const po::parsed_options parsed =
        po::parse_environment(all, [&](const std::string& variable) -> std::string {
          const auto it = by_variable.find(variable);
          return it == by_variable.end() ? "" : it->second;
        });
    Given given;
    for (const po::option& option : parsed.options) {
      // A variable that is set to nothing counts as not set, as everywhere in Unix.
      if (!option.value.empty() && !option.value[0].empty())
        given[option.string_key] = option.value;
    }
    return given;
  }

  void apply_ini(const std::string& file) {
    bool any_section = false;
    bool own_section = false;
    std::map<std::string, std::pair<std::vector<std::string>, int>> values;
    for (const IniEntry& line : read_ini(file)) {
      any_section |= !line.section.empty();
      own_section |= line.section == command;
      if (!line.section.empty() && line.section != command) continue;
      const OptionEntry* entry = find(line.key);
      if (entry == nullptr || entry->name == "config") {
        fail_unknown(fmt::format("{}: line {}: ", file, line.line), line.key);
      }
      auto& [texts, first_line] = values[line.key];
      if (texts.empty()) first_line = line.line;
      texts.push_back(line.value);
    }
    if (any_section && !own_section) {
      fail(fmt::format("{}: found no section [{}], expected one", file, command));
    }
    for (const auto& [name, value] : values) {
      set(find(name), value.first, fmt::format("{}: line {}: {}", file, value.second, name));
    }
  }

  void apply_words(const std::vector<std::string>& words) {
    size_t next = 0;
    for (OptionEntry& entry : entries) {
      if (!entry.positional || next == words.size()) continue;
      const bool rest = std::holds_alternative<std::vector<std::string>*>(entry.target);
      const size_t last = rest ? words.size() : next + 1;
      set(&entry,
          {words.begin() + static_cast<std::ptrdiff_t>(next),
           words.begin() + static_cast<std::ptrdiff_t>(last)},
          entry.name);
      next = last;
    }
    if (next < words.size()) fail(fmt::format("unexpected argument '{}'", words[next]));
  }
};

Options::Options(std::string command, std::string summary, std::string example)
    : impl_(std::make_unique<Impl>()) {
  impl_->command = std::move(command);
  impl_->summary = std::move(summary);
  impl_->example = std::move(example);
}

Options::~Options() = default;
Options::Options(Options&&) noexcept = default;
Options& Options::operator=(Options&&) noexcept = default;

template <typename T>
Options& Options::add(const std::string& name, T* value, const std::string& help) {
  impl_->add({.name = name, .help = help, .target = value});
  return *this;
}

Options& Options::add_with_bare_form(const std::string& name, std::string bare, std::string* value,
                                     const std::string& help) {
  impl_->add({.name = name, .help = help, .target = value, .bare = std::move(bare)});
  return *this;
}

template <typename T>
Options& Options::require(const std::string& name, T* value, const std::string& help) {
  impl_->add({.name = name, .help = help, .target = value, .required = true});
  return *this;
}

Options& Options::positional(const std::string& name, std::string* value, const std::string& help) {
  impl_->add({.name = name, .help = help, .target = value, .required = true, .positional = true});
  return *this;
}

Options& Options::positional(const std::string& name, std::vector<std::string>* values,
                             const std::string& help) {
  impl_->add({.name = name, .help = help, .target = values, .required = true, .positional = true});
  return *this;
}

bool Options::parse(const std::vector<std::string>& args) {
  if (impl_->find("config") == nullptr) {
    add("config", &impl_->config, "INI file of options; a saved config.ini is one");
  }
  const auto end_of_flags = std::find(args.begin(), args.end(), "--");
  const bool help = std::any_of(args.begin(), end_of_flags, [](const std::string& arg) {
    return arg == "--help" || arg == "-h";
  });
  if (help) {
    const std::string text =
        help_text(impl_->command, impl_->summary, impl_->example, impl_->entries);
    std::fputs(text.c_str(), stdout);
    return false;
  }

  std::vector<std::string> words;
  const Given flags = impl_->from_flags(args, &words);
  const Given environment = impl_->from_environment();
  OptionEntry* config = impl_->find("config");
  for (const Given* given : {&environment, &flags}) {
    const auto it = given->find("config");
    if (it != given->end()) impl_->set(config, it->second, "--config");
  }
  // A command may have a --config of its own, to read the other sections of the file.
  const std::string file = option_texts(config->target).front();
  if (!file.empty()) impl_->apply_ini(file);
  for (const auto& [name, texts] : environment) {
    impl_->set(impl_->find(name), texts, environment_name(name));
  }
  for (const auto& [name, texts] : flags) impl_->set(impl_->find(name), texts, "--" + name);
  impl_->apply_words(words);

  for (const OptionEntry& entry : impl_->entries) {
    if (entry.required && !entry.given) {
      impl_->fail(entry.positional ? "missing argument " + placeholder_of(entry)
                                   : "missing option --" + entry.name);
    }
  }
  return true;
}

nlohmann::json Options::resolved() const {
  nlohmann::json values = nlohmann::json::object();
  for (const OptionEntry& entry : impl_->entries) {
    if (entry.name != "config") values[entry.name] = option_json(entry.target);
  }
  return values;
}

std::string Options::resolved_ini() const {
  std::string ini = fmt::format("[{}]\n", impl_->command);
  for (const OptionEntry& entry : impl_->entries) {
    if (entry.name == "config") continue;
    std::vector<std::string> texts = option_texts(entry.target);
    if (texts.empty()) texts = {""};
    for (const std::string& text : texts) ini += fmt::format("{} = {}\n", entry.name, text);
  }
  return ini;
}

template Options& Options::add(const std::string&, std::string*, const std::string&);
template Options& Options::require(const std::string&, std::string*, const std::string&);
template Options& Options::add(const std::string&, bool*, const std::string&);
template Options& Options::require(const std::string&, bool*, const std::string&);
template Options& Options::add(const std::string&, int*, const std::string&);
template Options& Options::require(const std::string&, int*, const std::string&);
template Options& Options::add(const std::string&, int64_t*, const std::string&);
template Options& Options::require(const std::string&, int64_t*, const std::string&);
template Options& Options::add(const std::string&, uint64_t*, const std::string&);
template Options& Options::require(const std::string&, uint64_t*, const std::string&);
template Options& Options::add(const std::string&, double*, const std::string&);
template Options& Options::require(const std::string&, double*, const std::string&);
template Options& Options::add(const std::string&, std::vector<std::string>*, const std::string&);
template Options& Options::require(const std::string&, std::vector<std::string>*,
                                   const std::string&);

}  // namespace tutti::launch
