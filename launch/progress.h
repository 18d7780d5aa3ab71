#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "dist/communicator.h"

namespace tutti::launch {

// Where a Progress meter shows itself; the tests put a clock and a sink of their own here.
struct ProgressView {
  bool enabled = true;
  bool on_terminal = false;  // one line, rewritten; else plain lines, far apart
  double every_s = 10;       // between lines
  std::function<double()> now_s;
  std::function<void(std::string_view)> show;  // gets a plain line, or a line to rewrite

  // Standard error of rank 0: rewritten five times a second on a terminal, a log line every ten
  // seconds otherwise.
  static ProgressView of_process(const Communicator& comm);
};

// How far long work has come: count, share, rate, time left.
//
//   Progress progress("train", steps, "steps", ProgressView::of_process(comm));
//   for (...) progress.advance(1);
//
// A line appears only once work has taken `every_s`, so short work stays silent until finish().
class Progress {
 public:
  // `total` 0: not known, no share and no time left.
  Progress(std::string what, int64_t total, std::string unit, ProgressView view);
  ~Progress();  // finishes, unless finish() was called or an exception is in flight
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(int64_t count);
  void set(int64_t done);        // for work that counts by itself
  void note(std::string words);  // shown at the end of the line, say "loss 3.21"
  void finish();                 // the closing line: count, time taken, rate

 private:
  std::string line(double now_s) const;

  std::string what_, unit_, note_;
  int64_t total_;
  ProgressView view_;
  double start_s_, shown_s_;
  int64_t done_ = 0, done_when_shown_ = 0;
  double rate_ = 0;  // a second, smoothed over the last lines
  int uncaught_at_start_;
  bool finished_ = false;
};

// "4.2 s", "3m 05s", "2h 10m".
std::string duration_words(double seconds);
// "1,234,567"
std::string count_words(int64_t count);

}  // namespace tutti::launch
