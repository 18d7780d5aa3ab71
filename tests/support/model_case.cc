#include "tests/support/model_case.h"

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "dist/runtime/errors.h"
#include "ids/trie.h"
#include "trainer/base_model.h"
#include "trainer/loss.h"
#include "trainer/models/make_model.h"

namespace tutti {

using checkpoints::NamedTensor;
using checkpoints::SafetensorsFile;
using checkpoints::TensorType;

namespace {

const NamedTensor& tensor_of(const SafetensorsFile& file, const std::string& name) {
  const NamedTensor* tensor = file.find(name);
  TUTTI_CHECK(tensor != nullptr, "a case has " + name);
  return *tensor;
}

std::span<const int64_t> integers(const SafetensorsFile& file, const std::string& name) {
  const NamedTensor& tensor = tensor_of(file, name);
  TUTTI_CHECK(tensor.type == TensorType::kI64, name);
  return {static_cast<const int64_t*>(tensor.data), static_cast<size_t>(tensor.num_elements())};
}

at::Tensor values_of(const NamedTensor& tensor) {
  const bool is_double = tensor.type == TensorType::kF64;
  at::Tensor out = at::empty(tensor.shape, is_double ? at::kDouble : at::kFloat);
  std::memcpy(out.data_ptr(), tensor.data, static_cast<size_t>(tensor.num_bytes()));
  return out.to(at::kDouble);
}

ids::IdTable table_of(const SafetensorsFile& file) {
  ids::IdTable table;
  const auto levels = integers(file, "levels"), ids = integers(file, "ids");
  for (size_t level = 0; level < levels.size(); level += 2) {
    table.levels.push_back(
        {static_cast<int32_t>(levels[level]), static_cast<int32_t>(levels[level + 1])});
  }
  for (const int64_t token : ids) table.tokens.push_back(static_cast<int32_t>(token));
  const int64_t num_tracks = std::ssize(ids) / table.id_length();
  for (int64_t t = 1; t <= num_tracks; ++t) table.offsets.push_back(t * table.id_length());
  return table;
}

struct Title {
  std::vector<int32_t> tokens, tracks;
};
std::vector<Title> titles_of(const SafetensorsFile& file) {
  const auto tokens = integers(file, "title_tokens"), lengths = integers(file, "title_lengths");
  const auto pair_title = integers(file, "pair_title"), pair_track = integers(file, "pair_track");
  std::vector<Title> titles(lengths.size());
  const size_t longest = tokens.size() / titles.size();
  for (size_t b = 0; b < titles.size(); ++b) {
    const auto row = tokens.subspan(b * longest, static_cast<size_t>(lengths[b]));
    titles[b].tokens.assign(row.begin(), row.end());
  }
  for (size_t i = 0; i < pair_title.size(); ++i) {
    titles[static_cast<size_t>(pair_title[i])].tracks.push_back(
        static_cast<int32_t>(pair_track[i]));
  }
  return titles;
}

// [positions, text_rows + id_tokens], one position after the other with a cache.
at::Tensor logits_of_pair(const trainer::IdModel& model, const Title& title,
                          std::span<const int32_t> id) {
  const c10::NoGradGuard no_grad;
  const auto length = std::ssize(title.tokens);
  const at::Tensor tokens = at::empty({1, length}, at::kLong);
  std::copy(title.tokens.begin(), title.tokens.end(), tokens.data_ptr<int64_t>());
  const at::Tensor lengths = at::full({1}, length, at::kLong), row = at::zeros({1}, at::kLong);
  trainer::DecoderState state = model.start({.tokens = tokens, .lengths = lengths});
  std::vector<at::Tensor> logits;
  for (size_t position = 0; position < id.size(); ++position) {
    const int64_t fed = position == 0 ? -1 : id[position - 1];
    const at::Tensor hidden = model.step(state, at::full({1}, fed, at::kLong), row, row);
    logits.push_back(
        at::cat(
            {at::matmul(hidden, model.text_head().t()), at::matmul(hidden, model.id_head().t())}, 1)
            .view({-1}));
  }
  return at::stack(logits);
}

// The model of the case's weights; those that it lacks are a base's.
std::unique_ptr<trainer::IdModel> model_of(const SafetensorsFile& file, int64_t id_tokens) {
  std::unique_ptr<trainer::IdModel> model;
  if (const auto base = file.metadata().find("base"); base != file.metadata().end()) {
    const auto source = checkpoints::LlamaSource::open(base->second);
    model = trainer::make_model(checkpoints::to_json(
        trainer::config_from_base(source, id_tokens, checkpoints::Softmax::kFull)));
    trainer::load_base(*model, source);
  } else {
    model = trainer::make_model(nlohmann::json::parse(file.metadata().at("config")));
  }
  for (trainer::Parameter& p : model->parameters()) {
    if (file.metadata().contains("base") && file.find("w." + p.name) == nullptr) continue;
    const NamedTensor& stored = file.require("w." + p.name, TensorType::kF32, p.shape);
    std::memcpy(p.value.data_ptr<float>(), stored.data, static_cast<size_t>(stored.num_bytes()));
  }
  return model;
}

}  // namespace

std::map<std::string, double> relative_errors_of_case(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const ids::IdTable table = table_of(file);
  const auto made = model_of(file, table.num_tokens());
  trainer::IdModel& model = *made;
  const std::vector<Title> titles = titles_of(file);
  std::map<std::string, double> errors;
  const auto compare = [&](const std::string& name, const at::Tensor& ours,
                           const std::string& theirs) {
    const at::Tensor reference = values_of(tensor_of(file, theirs));
    const double difference =
        (ours.detach().to(at::kDouble).view(reference.sizes()) - reference).norm().item<double>();
    const double size = reference.norm().item<double>();
    TUTTI_CHECK(size > 0, name + " has no size: an error would not show");
    errors[name] = difference / size;
  };

  std::vector<trainer::TitleGroup> groups;
  for (const Title& title : titles) {
    groups.push_back({.title_tokens = title.tokens, .tracks = title.tracks});
  }
  const trainer::PackedBatch batch = trainer::pack(groups, table, ids::build_trie(table),
                                                   {.softmax = checkpoints::Softmax::kFull});
  const at::Tensor loss = trainer::packed_loss(model, batch, table);
  loss.backward();
  compare("loss", loss, "loss");
  for (const trainer::Parameter& p : model.parameters()) {
    if (p.trainable) compare(p.name, p.value.grad(), "g." + p.name);
  }

  std::vector<at::Tensor> logits;
  const auto pair_title = integers(file, "pair_title"), pair_track = integers(file, "pair_track");
  const int64_t num_logits = tensor_of(file, "logits").shape.front();
  for (int64_t i = 0; i < num_logits; ++i) {
    logits.push_back(logits_of_pair(model,
                                    titles[static_cast<size_t>(pair_title[static_cast<size_t>(i)])],
                                    table.id_of(pair_track[static_cast<size_t>(i)])));
  }
  compare("logits", at::stack(logits), "logits");
  return errors;
}

}  // namespace tutti
