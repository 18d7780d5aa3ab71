#pragma once

#include <filesystem>

#include "checkpoints/bert_config.h"

namespace tutti::checkpoints {

// config.json of a BERT encoder. Absent fields mean what they mean to transformers. DataError
// naming the file and the field.
BertConfig read_hf_bert_config(const std::filesystem::path& path);

}  // namespace tutti::checkpoints
