#include "trainer/baselines/bi_encoder_files.h"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/bert.h"
#include "checkpoints/safetensors.h"
#include "dist/runtime/files.h"

namespace tutti::trainer {
namespace {

constexpr const char* kTracksFile = "tracks.safetensors";
constexpr const char* kTracks = "tracks";
constexpr std::string_view kPrefix = "bert.";

// As BertModel.save_pretrained() would write it.
nlohmann::json hf_config(const checkpoints::BertConfig& config) {
  nlohmann::json json = checkpoints::to_json(config);
  json.erase("arch");
  json.update({{"architectures", {"BertModel"}},
               {"model_type", "bert"},
               {"hidden_act", "gelu"},
               {"position_embedding_type", "absolute"}});
  return json;
}

}  // namespace

Manifest write_bi_encoder(const std::filesystem::path& out, const BiEncoder& encoder,
                          const at::Tensor& tracks, std::map<std::string, std::string> made_from,
                          nlohmann::json config, bool overwrite) {
  ArtefactWriter writer(out, kBiEncoderKind, overwrite);
  write_file(writer.file("config.json"), hf_config(encoder.config()).dump(2) + "\n");
  write_file(writer.file("tokenizer.json"), encoder.tokenizer().bytes());
  std::vector<checkpoints::NamedTensor> tensors;
  for (const Parameter& p : encoder.store().all()) {
    tensors.push_back({.name = p.name.substr(kPrefix.size()),
                       .type = checkpoints::TensorType::kF32,
                       .shape = p.shape,
                       .data = p.value.const_data_ptr<float>()});
  }
  checkpoints::write_safetensors(writer.file("model.safetensors"), std::move(tensors),
                                 {{"format", "pt"}});
  checkpoints::write_safetensors(writer.file(kTracksFile),
                                 {{.name = kTracks,
                                   .type = checkpoints::TensorType::kF32,
                                   .shape = tracks.sizes().vec(),
                                   .data = tracks.const_data_ptr<float>()}},
                                 {});
  Manifest manifest;
  manifest.counts = {{"tracks", tracks.size(0)}, {"width", tracks.size(1)}};
  manifest.config = std::move(config);
  manifest.made_from = std::move(made_from);
  return writer.commit(std::move(manifest));
}

EncodedCatalog read_bi_encoder(const std::filesystem::path& path, const Manifest& dataset,
                               int64_t num_tracks) {
  const Manifest manifest = read_manifest(path, kBiEncoderKind);
  require_made_from(path, manifest, "dataset", dataset);
  BiEncoder encoder = BiEncoder::from(checkpoints::BertSource::open(path));
  const auto file = checkpoints::SafetensorsFile::open(path / kTracksFile);
  const std::array<int64_t, 2> shape = {num_tracks, encoder.width()};
  const auto& stored = file.require(kTracks, checkpoints::TensorType::kF32, shape);
  const at::Tensor tracks = at::empty(shape, at::kFloat);
  std::memcpy(tracks.mutable_data_ptr(), stored.data, static_cast<size_t>(stored.num_bytes()));
  const bool is_trained = manifest.config.value("steps", int64_t{0}) > 0;
  return {.name = is_trained ? "bi-encoder fine-tuned" : "bi-encoder zero-shot",
          .encoder = std::move(encoder),
          .tracks = tracks};
}

}  // namespace tutti::trainer
