#pragma once

#include <cstdint>

namespace tutti {

// What the thread of this process that speaks MPI waits for, for a watcher in another thread. Every
// rank makes the same calls in the same order, so that their numbers can be compared.
struct CallTrace {
  int64_t num_begun = 0;
  const char* waits_in = nullptr;  // nullptr: between calls
};
CallTrace call_trace();

// Around a wait. `name` lives for ever.
class TracedCall {
 public:
  explicit TracedCall(const char* name);
  ~TracedCall();
  TracedCall(const TracedCall&) = delete;
  TracedCall& operator=(const TracedCall&) = delete;
};

}  // namespace tutti
