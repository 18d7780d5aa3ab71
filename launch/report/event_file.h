#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The files that TensorBoard reads: TFRecords of Event messages.
namespace tutti::launch {

// A value of a curve.
struct ScalarEvent {
  double wall_s = 0;  // seconds; TensorBoard shows differences of them
  int64_t step = 0;
  std::vector<std::pair<std::string, float>> values = {};  // tag, value
};

// CRC-32C (Castagnoli) of the bytes.
uint32_t crc32c(std::string_view bytes);

// The bytes of an event file: "brain.Event:2" first, then the events in order. A record is its
// length (8 bytes), the masked CRC of these, the message, the masked CRC of the message; all
// little-endian (tensorflow/core/lib/io/record_writer.cc, tensorflow/core/util/event.proto).
std::string event_file_bytes(const std::vector<ScalarEvent>& events);

}  // namespace tutti::launch
