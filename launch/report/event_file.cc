#include "launch/report/event_file.h"

#include <bit>

#include <boost/crc.hpp>

namespace tutti::launch {
namespace {

template <typename Unsigned>
void append_little_endian(std::string* out, Unsigned value) {
  for (size_t i = 0; i < sizeof value; ++i) {
    out->push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
  }
}

void append_varint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7U) {
    out->push_back(static_cast<char>((value & 0x7FU) | 0x80U));
  }
  out->push_back(static_cast<char>(value));
}

// Wire types of protocol buffers.
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_key(std::string* out, uint32_t field, WireType type) {
  append_varint(out, (field << 3U) | type);
}

void append_bytes(std::string* out, uint32_t field, std::string_view bytes) {
  append_key(out, field, kBytes);
  append_varint(out, bytes.size());
  out->append(bytes);
}

// Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
std::string event_head(double wall_s, int64_t step) {
  std::string event;
  append_key(&event, 1, kFixed64);
  append_little_endian(&event, std::bit_cast<uint64_t>(wall_s));
  append_key(&event, 2, kVarint);
  append_varint(&event, static_cast<uint64_t>(step));
  return event;
}

// Summary { repeated Value value = 1; }, Value { string tag = 1; float simple_value = 2; }
std::string summary_of(const ScalarEvent& event) {
  std::string summary;
  for (const auto& [tag, number] : event.values) {
    std::string value;
    append_bytes(&value, 1, tag);
    append_key(&value, 2, kFixed32);
    append_little_endian(&value, std::bit_cast<uint32_t>(number));
    append_bytes(&summary, 1, value);
  }
  return summary;
}

// A CRC of bytes that hold CRCs says little, so that the format keeps a masked form of it.
uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U;
}

void append_record(std::string* out, const std::string& message) {
  std::string length;
  append_little_endian(&length, static_cast<uint64_t>(message.size()));
  out->append(length);
  append_little_endian(out, masked_crc(length));
  out->append(message);
  append_little_endian(out, masked_crc(message));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

std::string event_file_bytes(const std::vector<ScalarEvent>& events) {
  std::string bytes;
  std::string version = event_head(events.empty() ? 0 : events.front().wall_s, 0);
  append_bytes(&version, 3, "brain.Event:2");
  append_record(&bytes, version);
  for (const auto& event : events) {
    std::string message = event_head(event.wall_s, event.step);
    append_bytes(&message, 5, summary_of(event));
    append_record(&bytes, message);
  }
  return bytes;
}

}  // namespace tutti::launch
