#include <string>
#include <vector>

#include <fmt/core.h>

#include "checkpoints/export/hf_parts.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {
namespace {

using nlohmann::json;

// What pads where a program asks for it: the first special token, in most families the end of a
// text.
json padding_of(const json& added_tokens) {
  for (const json& token : added_tokens) {
    if (token.value("special", false)) return token.at("content");
  }
  return nullptr;
}

// Readers number added tokens on from the last of the model's vocabulary, whatever their ids say:
// each text row gets a place in it, those that no token has under names of their own.
void fill_vocabulary(json& vocab, const json& added_tokens, int64_t text_rows,
                     const std::string& origin) {
  std::vector<bool> has_token(static_cast<size_t>(text_rows), false);
  const auto take = [&](const std::string& token, int64_t id) {
    if (id < 0 || id >= text_rows || has_token[static_cast<size_t>(id)]) {
      throw DataError(
          Problem{.file = origin,
                  .place = "token '" + token + "'",
                  .found = fmt::format("id {}", id),
                  .expected = fmt::format("one below {} that no other token has", text_rows),
                  .cure = "give the tokenizer that the model was trained with"});
    }
    has_token[static_cast<size_t>(id)] = true;
  };
  for (const auto& [token, id] : vocab.items()) take(token, id.get<int64_t>());
  for (const json& token : added_tokens) {
    const std::string text = token.at("content");
    if (vocab.contains(text)) continue;
    take(text, token.at("id"));
    vocab[text] = token.at("id");
  }
  for (int64_t row = 0; row < text_rows; ++row) {
    if (!has_token[static_cast<size_t>(row)]) vocab[fmt::format("<unused_{}>", row)] = row;
  }
}

}  // namespace

HfTokenizerFiles hf_bpe_tokenizer_files(const std::string& tokenizer_json,
                                        const std::string& origin, int64_t text_rows,
                                        const ids::IdTable& table) {
  HfTokenizerFiles files;
  files.tokenizer = json::parse(tokenizer_json);
  json& added = files.tokenizer["added_tokens"];
  if (added.is_null()) added = json::array();
  json& vocab = files.tokenizer.at("model").at("vocab");
  fill_vocabulary(vocab, added, text_rows, origin);

  json decoder = json::object();
  for (json token : added) {
    const auto id = vocab.at(token.at("content").get<std::string>()).get<int64_t>();
    token.erase("id");
    decoder[std::to_string(id)] = std::move(token);
  }
  files.added_tokens = json::object();
  for (int32_t token = 0; token < table.num_tokens(); ++token) {
    const int64_t id = text_rows + token;
    json entry = added_token(table.token_name(token), /*special=*/false);
    decoder[std::to_string(id)] = entry;
    files.added_tokens[table.token_name(token)] = id;
    entry["id"] = id;
    added.push_back(std::move(entry));
  }
  files.tokenizer_config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                            {"model_input_names", {"input_ids", "attention_mask"}},
                            {"padding_side", "left"},
                            {"clean_up_tokenization_spaces", false},
                            {"added_tokens_decoder", std::move(decoder)}};
  files.special_tokens_map = json::object();
  if (const json padding = padding_of(added); !padding.is_null()) {
    files.tokenizer_config["pad_token"] = padding;
    files.special_tokens_map["pad_token"] = padding;
    files.pad_token_id = vocab.at(padding.get<std::string>());
  }
  return files;
}

}  // namespace tutti::checkpoints
