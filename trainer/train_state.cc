#include "trainer/train_state.h"

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

template <typename State, typename Visit>
void visit_counts(State& state, Visit visit) {
  visit("step", state.step);
  visit("skipped", state.skipped);
  visit("skipped_in_a_row", state.skipped_in_a_row);
  visit("best_step", state.best_step);
  visit("validations_since_best", state.validations_since_best);
}

}  // namespace

nlohmann::json to_json(const TrainState& state) {
  nlohmann::json json = {{"best_hits", state.best_hits},
                         {"updates_before_thaw", state.updates_before_thaw}};
  visit_counts(state, [&](const char* name, int64_t count) { json[name] = count; });
  return json;
}

TrainState train_state_from_json(const nlohmann::json& json, const std::string& origin) {
  const auto field = [&](const char* name, auto is_right,
                         const char* expected) -> const nlohmann::json& {
    const auto found = json.is_object() ? json.find(name) : json.end();
    if (found == json.end() || !is_right(*found)) {
      throw DataError(Problem{.file = origin,
                              .place = std::string("field '") + name + "' of the run's progress",
                              .found = found == json.end() ? "nothing" : found->dump(),
                              .expected = expected,
                              .cure = {}});
    }
    return *found;
  };
  const auto is_count = [](const nlohmann::json& value) {
    return value.is_number_integer() && value.get<int64_t>() >= 0;
  };
  const auto is_number = [](const nlohmann::json& value) { return value.is_number(); };
  TrainState state;
  visit_counts(state, [&](const char* name, int64_t& count) {
    count = field(name, is_count, "a count").get<int64_t>();
  });
  if (json.contains("updates_before_thaw")) {  // not in states of runs that knew no thaw
    state.updates_before_thaw = field("updates_before_thaw", is_count, "a count").get<int64_t>();
  }
  state.best_hits = field("best_hits", is_number, "a number").get<double>();
  return state;
}

}  // namespace tutti::trainer
