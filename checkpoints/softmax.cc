#include "checkpoints/softmax.h"

#include <array>
#include <optional>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {
namespace {

std::optional<Softmax> find_softmax(const std::string& name) {
  for (const Softmax softmax : {Softmax::kLevel, Softmax::kTrie, Softmax::kIds, Softmax::kFull}) {
    if (name == name_of(softmax)) return softmax;
  }
  return std::nullopt;
}

}  // namespace

const char* name_of(Softmax softmax) {
  constexpr std::array kNames = {"level", "trie", "ids", "full"};
  return kNames[static_cast<size_t>(softmax)];
}

Softmax softmax_from_name(const std::string& name) {
  if (const auto softmax = find_softmax(name)) return *softmax;
  throw UsageError(Problem{
      .file = {}, .place = "--softmax", .found = name, .expected = kSoftmaxNames, .cure = {}});
}

Softmax softmax_of(const nlohmann::json& state, const std::filesystem::path& checkpoint) {
  const auto field = state.find("softmax");
  if (field != state.end() && field->is_string()) {
    if (const auto softmax = find_softmax(field->get<std::string>())) return *softmax;
  }
  throw DataError(Problem{.file = (checkpoint / kStateFile).string(),
                          .place = "field 'softmax'",
                          .found = field == state.end() ? "nothing" : field->dump(),
                          .expected = kSoftmaxNames,
                          .cure = {}});
}

}  // namespace tutti::checkpoints
