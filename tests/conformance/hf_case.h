#pragma once

#include <filesystem>
#include <string>

#include "checkpoints/softmax.h"

namespace tutti::conformance {

// Writes a tiny model with random weights through the real store and export, and what we compute
// with it, for transformers to compare with:
//   FOLDER/export/             the export
//   FOLDER/case.json           texts and their token ids, titles, ID prefixes, the tracks that our
//                              beam search finds
//   FOLDER/logits.safetensors  "TITLE": [prefixes, id_tokens], our logits behind each prefix
// With a `tokenizer_json` of BERT the model is T5's decoder over a BERT that reads its words; with
// one of SmolLM and a `family` ("llama", "qwen2", "qwen3") it is decoder-only, with adapters.
// `text_ids`: IDs that are text, of different lengths.
void write_hf_case(const std::filesystem::path& folder, checkpoints::Softmax softmax,
                   const std::string& tokenizer_json = "", const std::string& family = "",
                   bool text_ids = false);

}  // namespace tutti::conformance
