#include "data/tokenizers/tokenizer_file.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "data/normalizer.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

using nlohmann::json;

// Models leave at most a few thousand ids without a piece; a table is made up to the largest.
constexpr int64_t kMostHoles = 65536;

std::string shortened(const json& value) {
  constexpr size_t kLongest = 200;  // a message is one line
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

bool is_id(const json& value) {
  return value.is_number_unsigned() && value.get<uint64_t>() <= INT32_MAX;
}

}  // namespace

void JsonStep::fail(const std::string& field, const std::string& expected,
                    const std::string& cure) const {
  std::string place = place_;
  const json* value = &json_;
  if (!field.empty()) {
    place += (place.empty() ? "field '" : ", field '") + field + "'";
    value = find(field.c_str());
  }
  throw DataError(Problem{.file = origin_,
                          .place = place,
                          .found = value == nullptr ? "nothing" : shortened(*value),
                          .expected = expected,
                          .cure = cure});
}

const json* JsonStep::find(const char* field) const {
  if (!json_.is_object()) return nullptr;
  const auto found = json_.find(field);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

JsonStep JsonStep::inner(const char* field) const {
  const json* value = find(field);
  if (value == nullptr || !value->is_object()) fail(field, "an object");
  return {*value, place_ + (place_.empty() ? "" : ", ") + field, origin_};
}

std::vector<JsonStep> JsonStep::list(const char* field) const {
  const json* value = find(field);
  std::vector<JsonStep> steps;
  if (value == nullptr) return steps;
  if (!value->is_array()) fail(field, "an array");
  for (size_t i = 0; i < value->size(); ++i) {
    steps.emplace_back((*value)[i],
                       fmt::format("{}{}{}[{}]", place_, place_.empty() ? "" : ", ", field, i),
                       origin_);
  }
  return steps;
}

std::string JsonStep::type() const {
  const json* value = find("type");
  if (value == nullptr || !value->is_string()) fail("type", "the name of a step");
  return value->get<std::string>();
}

bool JsonStep::flag(const char* field, bool absent) const {
  const json* value = find(field);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) fail(field, "true or false");
  return value->get<bool>();
}

int64_t JsonStep::whole(const char* field, int64_t absent) const {
  const json* value = find(field);
  if (value == nullptr) return absent;
  if (!is_id(*value)) fail(field, "a whole number");
  return value->get<int64_t>();
}

std::string JsonStep::text(const char* field, const std::string& absent) const {
  const json* value = find(field);
  if (value == nullptr) return absent;
  if (!value->is_string()) fail(field, "a text");
  return value->get<std::string>();
}

void JsonStep::require(const char* field, std::initializer_list<json> allowed) const {
  const json* value = find(field);
  if (value == nullptr || std::ranges::find(allowed, *value) != allowed.end()) return;
  fail(field, "nothing or " + (allowed.size() == 0 ? json() : *allowed.begin()).dump());
}

Vocabulary read_vocabulary(const JsonStep& model) {
  const json* vocab = model.find("vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->empty()) {
    model.fail("vocab", "an object of pieces and ids");
  }
  Vocabulary pieces;
  pieces.reserve(vocab->size());
  std::vector<int64_t> ids;
  ids.reserve(vocab->size());
  for (const auto& [spelling, id] : vocab->items()) {
    if (!is_id(id)) model.fail("vocab", fmt::format("a whole number as the id of '{}'", spelling));
    pieces.emplace(spelling, id.get<int32_t>());
    ids.push_back(id.get<int64_t>());
  }
  std::ranges::sort(ids);
  if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
    model.fail("vocab", fmt::format("every id once, not {} twice", *twice));
  }
  if (ids.back() >= std::ssize(ids) + kMostHoles) {
    model.fail("vocab", fmt::format("ids near 0 to {}, not {}", ids.size() - 1, ids.back()));
  }
  return pieces;
}

std::vector<AddedToken> read_added_tokens(const JsonStep& file) {
  std::vector<AddedToken> tokens;
  std::set<std::string> contents;
  for (const JsonStep& step : file.list("added_tokens")) {
    const json* id = step.find("id");
    if (id == nullptr || !is_id(*id)) step.fail("id", "a whole number");
    AddedToken token;
    token.id = id->get<int32_t>();
    token.content = step.text("content", "");
    if (token.content.empty()) step.fail("content", "the text of the token");
    if (!contents.insert(token.content).second) step.fail("content", "every token once");
    token.special = step.flag("special", false);
    token.normalized = step.flag("normalized", !token.special);
    token.single_word = step.flag("single_word", false);
    token.lstrip = step.flag("lstrip", false);
    token.rstrip = step.flag("rstrip", false);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

namespace {

// [text, id], as BertProcessing has them.
int32_t id_of_pair(const JsonStep& step, const char* field) {
  const json* pair = step.find(field);
  if (pair == nullptr || !pair->is_array() || pair->size() != 2 || !is_id((*pair)[1])) {
    step.fail(field, "a token and its id");
  }
  return (*pair)[1].get<int32_t>();
}

AroundText read_template(const JsonStep& step) {
  AroundText around;
  bool is_behind = false;
  for (const JsonStep& part : step.list("single")) {
    if (const json* sequence = part.find("Sequence")) {
      if (is_behind || !sequence->is_object() || sequence->value("id", json()) != "A") {
        part.fail("", "the text, once");
      }
      is_behind = true;
      continue;
    }
    const JsonStep token = part.inner("SpecialToken");
    const JsonStep ids = step.inner("special_tokens").inner(token.text("id", "").c_str());
    const json* list = ids.find("ids");
    if (list == nullptr || !list->is_array()) ids.fail("ids", "a list of ids");
    for (const json& id : *list) {
      if (!is_id(id)) ids.fail("ids", "a list of ids");
      (is_behind ? around.after : around.before).push_back(id.get<int32_t>());
    }
  }
  if (!is_behind) step.fail("single", "a template with the text in it");
  return around;
}

// `around` grows outwards, step by step.
void apply_post_processor(const JsonStep& step, AroundText& around) {
  const std::string type = step.type();
  if (type == "ByteLevel") return;  // changes offsets only
  if (type == "Sequence") {
    for (const JsonStep& inner : step.list("processors")) apply_post_processor(inner, around);
    return;
  }
  AroundText more;
  if (type == "TemplateProcessing") {
    more = read_template(step);
  } else if (type == "BertProcessing") {
    more = {{id_of_pair(step, "cls")}, {id_of_pair(step, "sep")}};
  } else {
    step.fail("type", "ByteLevel, TemplateProcessing, BertProcessing or a Sequence of them");
  }
  around.before.insert(around.before.begin(), more.before.begin(), more.before.end());
  around.after.insert(around.after.end(), more.after.begin(), more.after.end());
}

}  // namespace

AroundText read_post_processor(const JsonStep& file) {
  AroundText around;
  if (file.find("post_processor") != nullptr) {
    apply_post_processor(file.inner("post_processor"), around);
  }
  return around;
}

}  // namespace tutti::data
