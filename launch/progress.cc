#include "launch/progress.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "dist/runtime/log.h"

namespace tutti::launch {

namespace {

constexpr double kNewest = 0.3;  // weight of the newest interval in the smoothed rate

std::string rate_words(double rate, const std::string& unit) {
  if (rate >= 1000) return fmt::format("{} {}/s", count_words(std::llround(rate)), unit);
  return fmt::format("{:.3g} {}/s", rate, unit);
}

}  // namespace

std::string duration_words(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{}h {:02}m", whole / 3600, whole % 3600 / 60);
}

std::string count_words(int64_t count) {
  std::string digits = fmt::format("{}", count);
  for (auto at = std::ssize(digits) - 3; at > (count < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

ProgressView ProgressView::of_process(const Communicator& comm) {
  const bool on_terminal = isatty(STDERR_FILENO) == 1;
  ProgressView view;
  view.enabled = comm.rank() == 0;
  view.on_terminal = on_terminal;
  view.every_s = on_terminal ? 0.2 : 10;
  view.now_s = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  if (on_terminal) {
    view.show = [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stderr);
      std::fflush(stderr);
    };
  } else {
    view.show = [](std::string_view text) { log::info(text); };
  }
  return view;
}

Progress::Progress(std::string what, int64_t total, std::string unit, ProgressView view)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      view_(std::move(view)),
      start_s_(view_.now_s()),
      shown_s_(start_s_),
      uncaught_at_start_(std::uncaught_exceptions()) {}

Progress::~Progress() {
  if (std::uncaught_exceptions() == uncaught_at_start_) {
    finish();
  } else if (view_.enabled && view_.on_terminal && !finished_) {
    view_.show("\n");  // the error line gets a line of its own
  }
}

void Progress::advance(int64_t count) {
  set(done_ + count);
}

void Progress::set(int64_t done) {
  done_ = done;
  if (!view_.enabled) return;
  const double now = view_.now_s();
  const double passed = now - shown_s_;
  if (passed < view_.every_s || passed <= 0) return;
  const double newest = static_cast<double>(done_ - done_when_shown_) / passed;
  rate_ = done_when_shown_ == 0 ? newest : kNewest * newest + (1 - kNewest) * rate_;
  shown_s_ = now;
  done_when_shown_ = done_;
  view_.show(view_.on_terminal ? fmt::format("\r{}\x1b[K", line(now)) : line(now));
}

void Progress::note(std::string words) {
  note_ = std::move(words);
}

std::string Progress::line(double now_s) const {
  std::string text = fmt::format("{}: {}", what_, count_words(done_));
  if (total_ > 0) {
    text += fmt::format(" of {} {}, {} %", count_words(total_), unit_, done_ * 100 / total_);
  } else {
    text += " " + unit_;
  }
  text += ", " + rate_words(rate_, unit_);
  const double mean = static_cast<double>(done_) / std::max(now_s - start_s_, 1e-9);
  // The mean over all the work is steadier than the last seconds.
  if (total_ > done_ && mean > 0) {
    text += ", " + duration_words(static_cast<double>(total_ - done_) / mean) + " left";
  }
  return note_.empty() ? text : text + ", " + note_;
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (!view_.enabled) return;
  const double taken = view_.now_s() - start_s_;
  std::string text =
      fmt::format("{}: {} {} in {}", what_, count_words(done_), unit_, duration_words(taken));
  if (taken > 0) text += ", " + rate_words(static_cast<double>(done_) / taken, unit_);
  if (!note_.empty()) text += ", " + note_;
  view_.show(view_.on_terminal ? fmt::format("\r{}\x1b[K\n", text) : text);
}

}  // namespace tutti::launch
