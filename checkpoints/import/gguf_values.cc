#include <utility>

#include "checkpoints/import/gguf_cursor.h"

namespace tutti::checkpoints {
namespace {

// ggml's numbers of the types of values.
enum class ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

template <typename T>
int64_t read_whole(GgufCursor& cursor, const std::string& place) {
  const T value = cursor.number<T>(place);
  if (!std::in_range<int64_t>(value)) {
    cursor.fail(place, fmt::format("{}", value), "a number below 2^63");
  }
  return static_cast<int64_t>(value);
}

bool read_bool(GgufCursor& cursor, const std::string& place) {
  const auto value = cursor.number<uint8_t>(place);
  if (value > 1) cursor.fail(place, fmt::format("a truth value of {}", value), "0 or 1");
  return value == 1;
}

// Calls visit(bytes of one, reader of one) for the type of a value.
template <typename Visit>
GgufValue visit_type(ValueType type, Visit&& visit) {
  switch (type) {
    case ValueType::kU8:
      return visit(1, read_whole<uint8_t>);
    case ValueType::kI8:
      return visit(1, read_whole<int8_t>);
    case ValueType::kU16:
      return visit(2, read_whole<uint16_t>);
    case ValueType::kI16:
      return visit(2, read_whole<int16_t>);
    case ValueType::kU32:
      return visit(4, read_whole<uint32_t>);
    case ValueType::kI32:
      return visit(4, read_whole<int32_t>);
    case ValueType::kU64:
      return visit(8, read_whole<uint64_t>);
    case ValueType::kI64:
      return visit(8, read_whole<int64_t>);
    case ValueType::kF32:
      return visit(
          4, +[](GgufCursor& cursor, const std::string& place) -> double {
            return cursor.number<float>(place);
          });
    case ValueType::kF64:
      return visit(
          8, +[](GgufCursor& cursor, const std::string& place) -> double {
            return cursor.number<double>(place);
          });
    case ValueType::kBool:
      return visit(1, read_bool);
    case ValueType::kString:
      return visit(
          8, +[](GgufCursor& cursor, const std::string& place) { return cursor.text(place); });
    case ValueType::kArray:
      break;
  }
  return {};
}

ValueType read_type(GgufCursor& cursor, const std::string& place) {
  const auto type = cursor.number<uint32_t>(place);
  if (type > static_cast<uint32_t>(ValueType::kF64)) {
    cursor.fail(place, fmt::format("value type {}", type), "0 to 12");
  }
  return static_cast<ValueType>(type);
}

}  // namespace

GgufValue read_gguf_value(GgufCursor& cursor, const std::string& key) {
  const std::string place = fmt::format("key '{}'", key);
  const ValueType type = read_type(cursor, place);
  if (type != ValueType::kArray) {
    return visit_type(type,
                      [&](int, auto read_one) -> GgufValue { return read_one(cursor, place); });
  }
  const ValueType element = read_type(cursor, place);
  if (element == ValueType::kArray) cursor.fail(place, "an array of arrays", "an array of values");
  return visit_type(element, [&](uint64_t least_bytes, auto read_one) -> GgufValue {
    const uint64_t count = cursor.count(place, least_bytes);
    std::vector<decltype(read_one(cursor, place))> values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) values.push_back(read_one(cursor, place));
    return values;
  });
}

}  // namespace tutti::checkpoints
