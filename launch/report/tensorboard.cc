#include "launch/report/tensorboard.h"

#include <cmath>

#include <fmt/format.h>

#include "launch/report/run_log.h"

namespace tutti::launch {
namespace {

void add_value(ScalarEvent* event, const std::string& tag, const nlohmann::json& value) {
  if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      add_value(event, fmt::format("{}_{}", tag, i), value[i]);
    }
    return;
  }
  const bool is_curve = value.is_number() || value.is_boolean();
  if (!is_curve) return;
  const auto number = value.is_boolean() ? static_cast<float>(value.get<bool>())
                                         : static_cast<float>(value.get<double>());
  if (std::isfinite(number)) event->values.emplace_back(tag, number);
}

}  // namespace

std::vector<ScalarEvent> scalar_events(const std::string& log_file) {
  std::vector<ScalarEvent> events;
  read_log(log_file, [&events](const LogRecord& record) {
    const std::string group = record.event == "step" ? "train" : record.event;
    ScalarEvent event{.wall_s = record.seconds, .step = record.step};
    for (const auto& [key, value] : record.json->items()) {
      if (key != "step") add_value(&event, fmt::format("{}/{}", group, key), value);
    }
    if (!event.values.empty()) events.push_back(std::move(event));
  });
  return events;
}

}  // namespace tutti::launch
