#pragma once

#include <filesystem>
#include <span>

#include "trainer/rq_vae.h"

namespace tutti::trainer {

// The network as rq_vae.safetensors: weights, mean, and in its metadata shape, norm and deviation.
// Codebooks lie beside it (ids::write_codebooks).
void write_rq_vae(const std::filesystem::path& file, const RqVae& model);
// DataError naming what is wrong.
RqVae read_rq_vae(const std::filesystem::path& file);

}  // namespace tutti::trainer
