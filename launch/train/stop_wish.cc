#include "launch/train/stop_wish.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/duration.h"

namespace tutti::launch {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{1000};
constexpr milliseconds kMostSlack{60'000};

const auto kProgramStart = std::chrono::steady_clock::now();

milliseconds since_start() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - kProgramStart);
}

// What Slurm leaves this job, counted from the start of the program.
std::optional<milliseconds> slurm_limit() {
  const char* text = std::getenv("SLURM_JOB_END_TIME");
  if (text == nullptr) return std::nullopt;
  const std::string_view word = text;
  int64_t end_s = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), end_s);
  if (problem != std::errc() || end != word.data() + word.size()) return std::nullopt;
  const auto now_s = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  return since_start() + milliseconds(1000 * std::max<int64_t>(0, end_s - now_s));
}

}  // namespace

void declare(Options& options, StopArgs& a) {
  options.add("time-limit", &a.time_limit,
              "end with a checkpoint (exit code 5) before the program has run so long: 90s, 30m, "
              "2h, 1-12:00:00 | none | auto: the end of the Slurm job, where it is known");
}

void check(StopArgs& a) {
  if (a.time_limit == "none") return;
  a.limit = a.time_limit == "auto" ? slurm_limit() : duration_of("--time-limit", a.time_limit);
}

std::filesystem::path stop_file_of(const std::filesystem::path& out) {
  return out / "stop";
}

StopWish::StopWish(const StopArgs& args, std::optional<std::filesystem::path> stop_file)
    : limit_(args.limit), stop_file_(std::move(stop_file)) {}

std::string StopWish::reason() {
  if (const int signal = signals_.signal_here(); signal != 0)
    return fmt::format("signal {}", signal);
  if (is_time_up()) return "time-limit";
  if (is_file_there()) return "stop-file";
  return "";
}

void StopWish::note_step(const trainer::StepReport& report) {
  longest_step_ = std::max(longest_step_, milliseconds(static_cast<int64_t>(report.step_ms) + 1));
}

void StopWish::note_checkpoint(milliseconds took) {
  longest_checkpoint_ = std::max(longest_checkpoint_, took);
}

// Twice the longest step and checkpoint must still fit, and a tenth of the limit for what nobody
// foresaw.
bool StopWish::is_time_up() const {
  if (!limit_) return false;
  const milliseconds slack = std::min(kMostSlack, *limit_ / 10);
  return since_start() + 2 * (longest_step_ + longest_checkpoint_) + slack >= *limit_;
}

bool StopWish::is_file_there() {
  if (!stop_file_ || Clock::now() < next_look_) return false;
  next_look_ = Clock::now() + kLookEvery;
  std::error_code ignored;
  return std::filesystem::exists(*stop_file_, ignored);
}

}  // namespace tutti::launch
