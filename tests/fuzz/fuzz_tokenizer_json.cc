// tokenizer.json: what is taken has to encode any text, its own bytes among them.

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/tokenizer.h"
#include "dist/runtime/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tutti::data::SpecialText;
  using tutti::data::Tokenizer;
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Other bytes would go to SentencePiece's own parser, which is not ours to test.
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || text[first] != '{') return 0;
  try {
    const Tokenizer tokenizer = Tokenizer::from_bytes(text, "fuzz");
    for (const std::string& title :
         {text.substr(0, 300), std::string("Caf\u00e9 \u97f3 1234\n <|x|>")}) {
      for (const int32_t id : tokenizer.encode(title)) tokenizer.piece(id);
      for (const int32_t id : tokenizer.encode_part(title, SpecialText::kAsTokens)) {
        tokenizer.piece(id);
      }
    }
  } catch (const tutti::DataError&) {  // a refusal is what most inputs should get
  }
  return 0;
}
