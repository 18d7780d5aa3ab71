#pragma once

// Given to clang-tidy 14 only: it lacks the builtin that std::source_location of GCC 12's library
// is made of, so that <source_location> is empty for it.
#include <source_location>

#if !defined(__cpp_lib_source_location)
// NOLINTBEGIN(*): these are the standard's names
namespace std {
struct source_location {
  static constexpr source_location current() noexcept { return {}; }
  constexpr const char* file_name() const noexcept { return ""; }
  constexpr const char* function_name() const noexcept { return ""; }
  constexpr unsigned line() const noexcept { return 0; }
  constexpr unsigned column() const noexcept { return 0; }
};
}  // namespace std
// NOLINTEND(*)
#endif
