#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace tutti::launch {

// The options of one subcommand. Values come from, weakest first: the default (what the variable
// holds when it is added), the INI file given by --config, the environment (TUTTI_NUM_CODES for
// --num-codes), flags. Unknown flags and keys are UsageErrors that name the nearest known one; of
// the environment only variables that belong to an option of the command are read.
class Options {
 public:
  // `command`: "ids build"; `summary`: what it does, a sentence or two; `example`: one real command
  // line.
  Options(std::string command, std::string summary, std::string example);
  ~Options();
  Options(Options&&) noexcept;
  Options& operator=(Options&&) noexcept;

  // T: std::string, bool (a flag), int, int64_t, uint64_t, double, std::vector<std::string>.
  // `value` must outlive parse().
  template <typename T>
  Options& add(const std::string& name, T* value, const std::string& help);
  // A text that may be left out behind the flag: --NAME alone is --NAME=`bare`.
  Options& add_with_bare_form(const std::string& name, std::string bare, std::string* value,
                              const std::string& help);
  template <typename T>
  Options& require(const std::string& name, T* value,
                   const std::string& help);  // UsageError when not given
  // Positional arguments, in order; required. The last may be a std::vector<std::string> that takes
  // the rest.
  Options& positional(const std::string& name, std::string* value, const std::string& help);
  Options& positional(const std::string& name, std::vector<std::string>* values,
                      const std::string& help);

  // False when --help was asked for (help is printed on standard output): the caller returns 0.
  // Throws UsageError.
  bool parse(const std::vector<std::string>& args);

  nlohmann::json resolved() const;   // after parse(): option name -> value, for manifests (paths
                                     // included; the caller drops what is not content)
  std::string resolved_ini() const;  // accepted back by --config

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::launch
