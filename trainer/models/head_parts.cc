#include "trainer/models/head_parts.h"

#include <algorithm>

namespace tutti::trainer {

std::vector<HeadPart> parts_of(const HeadSlice& slice, const PredictionHead& head,
                               const HeadGradients& gradients) {
  std::vector<HeadPart> parts;
  const auto add = [&](const at::Tensor& rows, const at::Tensor& gradient, int64_t offset) {
    const int64_t first = std::max<int64_t>(slice.first_column - offset, 0);
    const int64_t last = std::min(slice.first_column + slice.num_columns - offset, rows.size(0));
    if (first >= last) return;
    parts.push_back(
        {.rows = rows.narrow(0, first, last - first),
         .gradient = gradient.defined() ? gradient.narrow(0, first, last - first) : gradient,
         .first_column = first + offset - slice.first_column});
  };
  const int64_t num_text = head.text.defined() ? head.text.size(0) : 0;
  if (num_text > 0) add(head.text, gradients.text, 0);
  add(head.ids, gradients.ids, num_text);
  return parts;
}

}  // namespace tutti::trainer
