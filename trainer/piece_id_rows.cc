#include "trainer/piece_id_rows.h"

#include <algorithm>
#include <span>
#include <vector>

#include "dist/runtime/errors.h"

namespace tutti::trainer {
namespace {

void copy_values(const checkpoints::NamedTensor& tensor, std::span<float> out) {
  checkpoints::copy_as_fp32(tensor, out);
}
void copy_values(const checkpoints::SourceTensor& tensor, std::span<float> out) {
  tensor.copy_as_fp32(out);
}

// The base's matrix of this name, [text_rows, width]; empty when it has none.
template <typename Base>
std::vector<float> matrix(const Base& base, std::string_view name) {
  for (const auto& tensor : base.tensors()) {
    if (tensor.name != name) continue;
    std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
    copy_values(tensor, values);
    return values;
  }
  return {};
}

// Returns how many rows were copied.
int64_t copy_rows(const std::vector<float>& from, std::span<const int32_t> pieces, int64_t width,
                  Parameter* to) {
  if (to == nullptr) return 0;
  int64_t copied = 0;
  auto* rows = to->value.data_ptr<float>();
  for (int64_t token = 0; token < std::ssize(pieces); ++token) {
    if (pieces[token] < 0) continue;
    TUTTI_CHECK((pieces[token] + int64_t{1}) * width <= std::ssize(from), "a piece has a row");
    std::copy_n(from.data() + pieces[token] * width, width, rows + token * width);
    ++copied;
  }
  return copied;
}

template <typename Base>
int64_t start_rows(IdModel& model, const ids::IdTable& table, const Base& base,
                   const char* embedding) {
  const std::vector<int32_t>& pieces = table.token_pieces.pieces;
  const std::vector<float> read = matrix(base, embedding);
  std::vector<float> head = matrix(base, "lm_head.weight");
  copy_rows(head.empty() ? read : head, pieces, model.width(), model.find("lm_head.id.weight"));
  return copy_rows(read, pieces, model.width(), model.find("id_embedding.weight"));
}

}  // namespace

int64_t start_id_rows_from_pieces(IdModel& model, const ids::IdTable& table,
                                  const checkpoints::HfT5& base) {
  return start_rows(model, table, base, "shared.weight");
}
int64_t start_id_rows_from_pieces(IdModel& model, const ids::IdTable& table,
                                  const checkpoints::LlamaSource& base) {
  return start_rows(model, table, base, "model.embed_tokens.weight");
}

}  // namespace tutti::trainer
