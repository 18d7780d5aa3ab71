#include "data/tokenizers/sentencepiece.h"

#include <utility>

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include "data/tokenizers/charsmap.h"
#include "data/tokenizers/message_reader.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

void require_id(const std::string& origin, const char* name, int found, int expected) {
  if (found == expected) return;
  throw DataError(Problem{.file = origin,
                          .place = fmt::format("id of {}", name),
                          .found = std::to_string(found),
                          .expected = std::to_string(expected),
                          .cure = "give a T5 vocabulary (pad 0, eos 1, unk 2, no bos)"});
}

// The library follows normalisation tables unchecked. Fields that come twice are merged there, so
// each is looked at.
void require_sound_tables(const std::string& model, const std::string& origin) {
  constexpr uint32_t kNormalizer = 3, kDenormalizer = 5, kTable = 2;
  MessageReader message(model, origin);
  for (MessageField part; message.next(&part);) {
    if (part.number != kNormalizer && part.number != kDenormalizer) continue;
    MessageReader normalizer(part.bytes, origin);
    for (MessageField field; normalizer.next(&field);) {
      if (field.number != kTable || field.bytes.empty() || is_sound_charsmap(field.bytes)) continue;
      throw DataError(Problem{.file = origin,
                              .place = "precompiled_charsmap",
                              .found = "a normalisation table that leads out of itself",
                              .expected = "a sound one",
                              .cure = "give an unchanged spiece.model"});
    }
  }
}

class SentencePieceEncoder final : public TextEncoder {
 public:
  SentencePieceEncoder(std::string serialized_model, const std::string& origin) {
    bytes = std::move(serialized_model);
    file_name = "spiece.model";
    after = {Tokenizer::kEos};
    require_sound_tables(bytes, origin);
    const auto status = processor_.LoadFromSerializedProto(bytes);
    if (!status.ok() || processor_.GetPieceSize() == 0) {
      throw DataError(Problem{.file = origin,
                              .place = {},
                              .found = fmt::format("{} bytes that do not parse", bytes.size()),
                              .expected = "a SentencePiece model",
                              .cure = "give an unchanged spiece.model"});
    }
    require_id(origin, "pad", processor_.pad_id(), Tokenizer::kPad);
    require_id(origin, "eos", processor_.eos_id(), Tokenizer::kEos);
    require_id(origin, "unk", processor_.unk_id(), Tokenizer::kUnk);
    require_id(origin, "bos", processor_.bos_id(), -1);
  }

  int32_t num_pieces() const override { return processor_.GetPieceSize(); }

  // Control pieces are never read from text, whatever `special` says.
  void encode(std::string_view text, SpecialText, std::vector<int32_t>& ids) const override {
    std::vector<int> pieces;
    const auto status = processor_.Encode(text, &pieces);
    TUTTI_CHECK(status.ok(), status.ToString());
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }

  std::string_view piece(int32_t id) const override { return processor_.IdToPiece(id); }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::unique_ptr<TextEncoder> make_sentencepiece(std::string serialized_model,
                                                const std::string& origin) {
  return std::make_unique<SentencePieceEncoder>(std::move(serialized_model), origin);
}

}  // namespace tutti::data
