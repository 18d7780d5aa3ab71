#pragma once

#include <filesystem>

#include "checkpoints/checkpoint_store.h"
#include "data/catalog.h"
#include "dist/runtime/artefact.h"
#include "ids/id_table.h"

namespace tutti::checkpoints {

// What an export is made of. All of one road: the checkpoint was trained for these IDs and this
// dataset.
struct ExportSource {
  const Checkpoint& checkpoint;
  const ids::LoadedIdTable& ids;
  const data::Catalog& catalog;
  const Manifest& dataset;  // of the catalog
};

// Writes a folder that Hugging Face transformers loads as T5ForConditionalGeneration (a BERT under
// T5's decoder: with the lines of Python in its README.md) or as Llama, Qwen2 or Qwen3ForCausalLM,
// and that gives our logits at the ID rows, fp32. Adapters are merged into their matrices.
// Vocabulary: text pieces [0, text_rows), then ID tokens in the order of the table. With it:
// tokenizer files, trie.safetensors (which IDs exist), id_map.jsonl (ID -> track), README.md (how
// to use them), manifest.json (kind "export", made from checkpoint, id-table, dataset). DataError
// when checkpoint, IDs and dataset do not belong together (both hashes named), or when the
// checkpoint's tensors are not those of its model shape.
Manifest export_hf(const std::filesystem::path& out, const ExportSource& source, bool overwrite);

}  // namespace tutti::checkpoints
