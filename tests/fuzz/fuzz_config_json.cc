// config.json of T5, Llama and its relatives, BERT; state.json's model configs.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "checkpoints/bert_config.h"
#include "checkpoints/import/bert_config_json.h"
#include "checkpoints/import/hf_config.h"
#include "checkpoints/import/llama_parts.h"
#include "checkpoints/llama_config.h"
#include "checkpoints/t5_config.h"
#include "dist/runtime/errors.h"

namespace {

template <typename Read>
void attempt(Read read) {
  try {
    read();
  } catch (const tutti::DataError&) {  // a refusal is what most inputs should get
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tutti::checkpoints;  // NOLINT: one function
  static const std::string kPath =
      std::filesystem::temp_directory_path() / ("tutti-fuzz-" + std::to_string(::getpid()));
  std::ofstream(kPath, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  attempt([] { read_hf_t5_config(kPath); });
  attempt([] {
    const LlamaConfig llama = read_hf_llama_config(kPath);
    if (llama.head_dim < 4096) rope_inverse_frequencies(llama);
  });
  attempt([] { read_hf_bert_config(kPath); });
  std::filesystem::remove(kPath);
  const auto state = nlohmann::json::parse(data, data + size, nullptr, false);
  attempt([&] { t5_config_from_json(state); });
  attempt([&] { llama_config_from_json(state); });
  attempt([&] { bert_config_from_json(state); });
  return 0;
}
