#include "launch/train/watch_options.h"

#include <utility>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti::launch {

void declare(Options& options, WatchArgs& a) {
  options
      .add(
          "watchdog", &a.watchdog,
          "end with code 4, naming the rank, when one is dead, frozen, cut off or hangs; the ranks "
          "keep a TCP connection to rank 0 for it")
      .add("silence-limit", &a.limits.silence, "seconds a rank may give no sign of life")
      .add("start-limit", &a.limits.start_up, "seconds from the start of the program to step 1")
      .add("first-step-limit", &a.limits.first_step, "seconds of the first step")
      .add("step-limit", &a.limits.step, "seconds of any other step")
      .add("checkpoint-limit", &a.limits.checkpoint, "seconds that steps wait for a checkpoint")
      .add("validation-limit", &a.limits.validation, "seconds of a validation");
}

void check(const WatchArgs& a) {
  for (const auto& [name, limit] : {std::pair("silence", a.limits.silence),
                                    {"start", a.limits.start_up},
                                    {"first-step", a.limits.first_step},
                                    {"step", a.limits.step},
                                    {"checkpoint", a.limits.checkpoint},
                                    {"validation", a.limits.validation}}) {
    if (limit >= 3 * a.limits.beat) continue;
    throw UsageError(Problem{"", fmt::format("--{}-limit", name), fmt::format("{}", limit),
                             fmt::format("{} seconds or more", 3 * a.limits.beat),
                             "signs of life come once a second; --no-watchdog turns it off"});
  }
}

}  // namespace tutti::launch
