#include "trainer/title_state_cache.h"

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "checkpoints/shards.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/together.h"
#include "trainer/models/model_part.h"
#include "trainer/models/title_memo.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKind = "title-states";

std::string name_of_block(int64_t block) {
  return fmt::format("block-{:08}", block);
}

// Rank 0's text, on all ranks.
std::string shared(std::string text, Communicator& comm) {
  int64_t size = std::ssize(text);
  comm.broadcast(&size, sizeof(size), 0);
  text.resize(static_cast<size_t>(size));
  comm.broadcast(text.data(), size, 0);
  return text;
}

// DataError unless the states are those of this key.
void require_key(const fs::path& path, const Manifest& manifest, const std::string& key) {
  Manifest expected;
  expected.hash = key;
  require_made_from(path, manifest, "key", expected);
}

// Whether the states of this key are there, whole. What is not is removed: nothing but this cache
// lives under the key's name.
bool is_there(const fs::path& path, const std::string& key) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  try {
    const Manifest manifest = read_manifest(path, kKind);
    require_key(path, manifest, key);
    verify_files(path, manifest);
    return true;
  } catch (const DataError& damage) {
    log::warn(fmt::format("titles are read again: {}", damage.what()));
    fs::remove_all(path, error);
    return false;
  }
}

// Every rank reads its share of the blocks into a file; rank 0 makes them an artefact.
void write_states(const fs::path& path, const std::string& key, const TitleList& titles,
                  const TitleMemo& memo, Communicator& comm,
                  const std::function<void(int64_t)>& progress) {
  std::optional<ArtefactWriter> writer;
  std::string staging;
  const std::string file = checkpoints::shard_file("states", comm.rank(), comm.size());
  run_together(comm, [&] {
    if (!comm.is_root()) return;
    writer.emplace(path, kKind, /*overwrite=*/true);
    staging = writer->file(file).parent_path().string();
  });
  staging = shared(staging, comm);
  run_together(comm, [&] {
    std::error_code error;
    if (!fs::is_directory(staging, error)) {
      throw StorageError(Problem{.file = staging,
                                 .place = fmt::format("rank {}", comm.rank()),
                                 .found = "no such folder",
                                 .expected = "the one that rank 0 has made",
                                 .cure = "give a --title-states that all ranks see, or none"});
    }
    const ReadTitles read = [&memo](const TitleInputs& inputs) { return memo.read(inputs); };
    std::vector<at::Tensor> states;
    std::vector<checkpoints::NamedTensor> tensors;
    for (int64_t block = comm.rank(); block < num_blocks(titles); block += comm.size()) {
      const at::Tensor& own = states.emplace_back(read_block(titles, block, read));
      tensors.push_back({.name = name_of_block(block),
                         .type = checkpoints::TensorType::kF32,
                         .shape = own.sizes().vec(),
                         .data = own.const_data_ptr<float>()});
      if (progress) progress(std::ssize(states) * kTitlesPerBlock);
    }
    checkpoints::write_safetensors(fs::path(staging) / file, std::move(tensors), {});
  });
  run_together(comm, [&] {
    if (!comm.is_root()) return;
    Manifest manifest;
    manifest.counts = {{"titles", titles.size()}, {"blocks", num_blocks(titles)}};
    manifest.made_from = {{"key", key}};
    writer->commit(std::move(manifest));
  });
}

}  // namespace

std::string title_states_key(const IdModel& model, const TitleList& titles) {
  nlohmann::json shape = model.shape();
  const bool over_bert = shape.contains("encoder");
  if (over_bert) shape = nlohmann::json(shape["encoder"]);
  // Of T5's own shape, what its encoder does not know.
  for (const char* name : {"id_tokens", "unread_ids", "num_decoder_layers", "text_head",
                           "tie_word_embeddings", "scale_decoder_outputs"}) {
    shape.erase(name);
  }
  nlohmann::json facts = {{"precision", model.flat_rounded().defined() ? "bf16" : "fp32"},
                          {"titles-per-block", kTitlesPerBlock},
                          {"shape", shape}};
  for (const Parameter& p : model.parameters()) {
    const ModelPart part = part_of(p.name, over_bert);
    const bool reads = part == ModelPart::kEncoder || part == ModelPart::kTextRows;
    if (p.trainable || !reads) continue;
    const at::Tensor host = p.value.detach().to(at::kCPU).contiguous();
    facts["values"][p.name] = sha256_of_bytes(host.const_data_ptr(), host.nbytes());
  }
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < titles.size(); ++i) {
    tokens.push_back(static_cast<int32_t>(titles[i].size()));
    tokens.insert(tokens.end(), titles[i].begin(), titles[i].end());
  }
  facts["titles"] =
      sha256_of_bytes(tokens.data(), std::ssize(tokens) * static_cast<int64_t>(sizeof(int32_t)));
  const std::string text = facts.dump();
  return sha256_of_bytes(text.data(), std::ssize(text));
}

TitleStatesReport know_titles(IdModel& model, const TitleList& titles, const fs::path& folder,
                              Communicator& comm, const std::function<void(int64_t)>& progress) {
  TitleMemo* memo = model.title_memo();
  TUTTI_CHECK(memo != nullptr, "the model's titles are read by frozen layers");
  // Rank 0 looks: the others need not hash what it has hashed.
  std::string key;
  int64_t was_there = 0;
  run_together(comm, [&] {
    if (!comm.is_root()) return;
    key = title_states_key(model, titles);
    was_there = is_there(folder / key.substr(0, 16), key) ? 1 : 0;
  });
  key = shared(key, comm);
  comm.broadcast(&was_there, sizeof(was_there), 0);
  TitleStatesReport report = {
      .path = folder / key.substr(0, 16), .was_there = was_there == 1, .num_titles = titles.size()};
  if (!report.was_there) write_states(report.path, key, titles, *memo, comm, progress);

  run_together(comm, [&] {
    const Manifest manifest = read_manifest(report.path, kKind);
    require_key(report.path, manifest, key);
    const auto stored = std::make_shared<const checkpoints::ShardedTensors>(
        checkpoints::ShardedTensors::open(report.path, manifest, "states"));
    for (const auto& [name, entry] : manifest.files) report.num_bytes += entry.bytes;
    for (int64_t block = 0; block < num_blocks(titles); ++block) {
      const int64_t first = block * kTitlesPerBlock,
                    last = std::min(first + kTitlesPerBlock, titles.size());
      int64_t rows = 0;
      for (int64_t i = first; i < last; ++i) rows += std::ssize(titles[i]);
      const checkpoints::NamedTensor* tensor = stored->find(name_of_block(block));
      TUTTI_CHECK(tensor != nullptr && tensor->shape.at(0) == rows, name_of_block(block));
      const at::Tensor states = at::from_blob(
                                    const_cast<void*>(tensor->data), tensor->shape,
                                    [stored](void*) {}, at::TensorOptions(at::kFloat))
                                    .to(model.device());
      int64_t row = 0;
      for (int64_t i = first; i < last; ++i) {
        memo->know(titles[i], states.narrow(0, row, std::ssize(titles[i])));
        row += std::ssize(titles[i]);
      }
    }
  });
  return report;
}

}  // namespace tutti::trainer
