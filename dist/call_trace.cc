#include "dist/call_trace.h"

#include <atomic>

namespace tutti {
namespace {

std::atomic<int64_t> num_begun = 0;
std::atomic<const char*> waits_in = nullptr;

}  // namespace

CallTrace call_trace() {
  return {.num_begun = num_begun, .waits_in = waits_in};
}

TracedCall::TracedCall(const char* name) {
  ++num_begun;
  waits_in = name;
}

TracedCall::~TracedCall() {
  waits_in = nullptr;
}

}  // namespace tutti
