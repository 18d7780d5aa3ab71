#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

namespace tutti {

// Exit codes of the program; launch/README.md says what a launcher does with each.
enum class ExitCode : int {
  kDone = 0,
  kUsage = 2,      // a wrong flag, config key or value: do not requeue
  kBadData = 3,    // an input or artefact that cannot be used: do not requeue
  kPeerLost = 4,   // a rank died or went silent: retry
  kStopped = 5,    // stopped by a signal, checkpoint written: requeue
  kNotFinite = 6,  // loss or gradient is not finite
  kStorage = 7,    // storage full or not writable
  kBug = 70,       // our fault
};

// What is wrong with some input, in parts; empty parts are left out of the sentence.
struct Problem {
  std::string file;      // path as the user gave it
  std::string place;     // "line 7", "byte 1234", "dataset 'tracks'", "--num-codes"
  std::string found;     // the offending value
  std::string expected;  // what would have been fine
  std::string cure;      // what to do about it
};

// "FILE: PLACE: found X, expected Y; CURE". One line, no trailing full stop.
std::string sentence(const Problem& problem);

// The base of all exceptions that are not our bug. Caught once, in main, which logs what() and
// exits with code().
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

struct UsageError : Error {
  explicit UsageError(const std::string& message) : Error(ExitCode::kUsage, message) {}
  explicit UsageError(const Problem& problem) : UsageError(sentence(problem)) {}
};

struct DataError : Error {
  explicit DataError(const std::string& message) : Error(ExitCode::kBadData, message) {}
  explicit DataError(const Problem& problem) : DataError(sentence(problem)) {}
};

struct StorageError : Error {
  explicit StorageError(const std::string& message) : Error(ExitCode::kStorage, message) {}
  explicit StorageError(const Problem& problem) : StorageError(sentence(problem)) {}
};

struct NotFiniteError : Error {
  explicit NotFiniteError(const std::string& message) : Error(ExitCode::kNotFinite, message) {}
};

struct PeerLostError : Error {
  explicit PeerLostError(const std::string& message) : Error(ExitCode::kPeerLost, message) {}
};

// A broken invariant of ours: exit code 70, message carries the expression and its place.
[[noreturn]] void fail_check(const char* expression, const std::string& message,
                             std::source_location where = std::source_location::current());

}  // namespace tutti

// For our own bugs only; bad input is an exception above. `...`: an optional message (anything that
// makes a std::string).
#define TUTTI_CHECK(condition, ...)                                              \
  do {                                                                           \
    if (!(condition)) ::tutti::fail_check(#condition, std::string(__VA_ARGS__)); \
  } while (false)
