#pragma once

#include <vector>

#include "checkpoints/bert_config.h"
#include "checkpoints/t5_tensors.h"

namespace tutti::checkpoints {

// All tensors of HF's BertModel without its pooler, in the order of its modules.
std::vector<TensorShape> bert_tensors(const BertConfig& bert);

}  // namespace tutti::checkpoints
