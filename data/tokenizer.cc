#include "data/tokenizer.h"

#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/core.h>

#include "data/tokenizers/sentencepiece.h"
#include "data/tokenizers/text_encoder.h"
#include "data/tokenizers/tokenizer_json.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

// No SentencePiece model begins so: its first bytes are a field number and a length.
bool is_json(std::string_view bytes) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && bytes[first] == '{';
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<TextEncoder> encoder) : encoder_(std::move(encoder)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_bytes(std::string serialized, const std::string& origin) {
  return Tokenizer(is_json(serialized) ? make_from_tokenizer_json(serialized, origin)
                                       : make_sentencepiece(std::move(serialized), origin));
}

Tokenizer Tokenizer::from_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.good() && !in.eof()) {
    throw DataError(Problem{.file = path,
                            .place = {},
                            .found = "a file that cannot be read",
                            .expected = "a SentencePiece model or a tokenizer.json",
                            .cure = "check the path"});
  }
  return from_bytes(std::move(bytes), path);
}

Tokenizer Tokenizer::from_folder(const std::filesystem::path& folder) {
  for (const char* name : {"spiece.model", "tokenizer.json"}) {
    if (std::filesystem::exists(folder / name)) return from_file((folder / name).string());
  }
  throw DataError(Problem{.file = folder.string(),
                          .place = {},
                          .found = "no spiece.model and no tokenizer.json",
                          .expected = "the tokenizer of the model",
                          .cure = "copy it from where the model came from"});
}

int32_t Tokenizer::num_pieces() const {
  return encoder_->num_pieces();
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids = encoder_->before;
  ids.insert(ids.end(), tokens_before_.begin(), tokens_before_.end());
  std::string whole = text_before_;
  whole += text;
  whole += text_after_;
  encoder_->encode(whole, SpecialText::kAsText, ids);
  ids.insert(ids.end(), tokens_after_.begin(), tokens_after_.end());
  ids.insert(ids.end(), encoder_->after.begin(), encoder_->after.end());
  return ids;
}

void Tokenizer::set_prompt(const std::string& prompt) {
  if (!is_prompt(prompt)) {
    throw DataError(Problem{.file = {},
                            .place = "prompt",
                            .found = prompt,
                            .expected = fmt::format("a text with one {}", kTitlePlace),
                            .cure = {}});
  }
  const size_t place = prompt.find(kTitlePlace);
  const std::string_view all = prompt, front = all.substr(0, place),
                         back = all.substr(place + std::string_view(kTitlePlace).size());
  text_before_ = front.substr(encoder_->end_of_last_special(front));
  tokens_before_ =
      encode_part(front.substr(0, front.size() - text_before_.size()), SpecialText::kAsTokens);
  text_after_ = back.substr(0, encoder_->begin_of_first_special(back));
  tokens_after_ = encode_part(back.substr(text_after_.size()), SpecialText::kAsTokens);
}

bool is_prompt(std::string_view prompt) {
  const size_t place = prompt.find(kTitlePlace);
  return place != std::string_view::npos &&
         prompt.find(kTitlePlace, place + 1) == std::string_view::npos;
}

std::vector<int32_t> Tokenizer::encode_part(std::string_view text, SpecialText special) const {
  std::vector<int32_t> ids;
  encoder_->encode(text, special, ids);
  return ids;
}

std::string_view Tokenizer::piece(int32_t id) const {
  TUTTI_CHECK(id >= 0 && id < num_pieces());
  return encoder_->piece(id);
}

int32_t Tokenizer::end_of_text() const {
  return encoder_->after.empty() ? -1 : encoder_->after.back();
}

const std::string& Tokenizer::bytes() const {
  return encoder_->bytes;
}

const char* Tokenizer::file_name() const {
  return encoder_->file_name;
}

}  // namespace tutti::data
