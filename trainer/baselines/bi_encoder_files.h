#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "dist/runtime/artefact.h"
#include "trainer/baselines/bi_encoder.h"
#include "trainer/baselines/bi_encoder_ranker.h"

namespace tutti::trainer {

constexpr const char* kBiEncoderKind = "bi-encoder";

// Writes a bi-encoder artefact: config.json, tokenizer.json and model.safetensors as transformers'
// BertModel reads them (mean pooling and length 1 come behind), tracks.safetensors with "tracks"
// [num_tracks, width]. `config`: the resolved options with "steps", 0 for one that was not trained.
// `made_from`: hashes by role, "dataset" among them.
Manifest write_bi_encoder(const std::filesystem::path& out, const BiEncoder& encoder,
                          const at::Tensor& tracks, std::map<std::string, std::string> made_from,
                          nlohmann::json config, bool overwrite);

// DataError when it is damaged or was made from another dataset, or another split of it (both
// hashes named).
EncodedCatalog read_bi_encoder(const std::filesystem::path& path, const Manifest& dataset,
                               int64_t num_tracks);

}  // namespace tutti::trainer
