#pragma once

#include <filesystem>
#include <string>

namespace tutti::conformance {

// Reads a model to start from (`kind`: llama or bert) and writes what was understood: out/
// tensors.safetensors (fp32, HF's names), out/config.json (ours), out/tokenizer.json,
// out/ignored.json.
void write_source(const std::string& kind, const std::filesystem::path& path,
                  const std::filesystem::path& out);

// Prints a JSON array: for each text of a JSON file its ids as a whole and as a part of a template.
void print_tokens(const std::string& tokenizer_file, const std::string& texts_file);

}  // namespace tutti::conformance
