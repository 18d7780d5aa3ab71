#include "launch/train/starting_model.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoints/bert_tensors.h"
#include "checkpoints/llama_tensors.h"
#include "checkpoints/t5_tensors.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "launch/train/known_bases.h"
#include "trainer/id_rows.h"
#include "trainer/models/make_model.h"
#include "trainer/piece_id_rows.h"
#include "trainer/training_data.h"
#include "trainer/warm_start.h"

namespace tutti::launch {
namespace {

constexpr const char* kWarmStart = "warm-start";  // role in the manifest of a checkpoint

// Rank 0 makes or reads the vocabulary, so that it exists once.
data::Tokenizer shared_tokenizer(const ModelArgs& a, const data::Dataset& dataset,
                                 Communicator& comm) {
  std::string bytes;
  if (comm.is_root()) {
    bytes = a.vocabulary.empty()
                ? trainer::train_title_vocabulary(
                      dataset, {.num_pieces = static_cast<int32_t>(a.vocabulary_size)}, a.requests)
                : data::Tokenizer::from_file(a.vocabulary).bytes();
  }
  int64_t size = std::ssize(bytes);
  comm.broadcast(&size, sizeof(size), 0);
  bytes.resize(size);
  comm.broadcast(bytes.data(), size, 0);
  return data::Tokenizer::from_bytes(std::move(bytes), "vocabulary");
}

void log_report(const trainer::BaseReport& report, const std::string& base) {
  std::vector<std::string> ignored;
  for (const auto& [name, reason] : report.ignored) {
    ignored.push_back(fmt::format("{} ({})", name, reason));
  }
  std::vector<std::string> added;
  for (const std::string& name : report.added) {
    if (!checkpoints::is_adapter(name)) added.push_back(name);
  }
  const size_t num_adapters = (report.added.size() - added.size()) / 2;
  if (num_adapters > 0) added.push_back(fmt::format("{} adapters", num_adapters));
  log::info(fmt::format("{}: {} tensors of {} values loaded; added: {}; ignored: {}", base,
                        report.loaded.size(), report.num_loaded_values, fmt::join(added, ", "),
                        ignored.empty() ? "none" : fmt::format("{}", fmt::join(ignored, ", "))));
}

constexpr const char *kTitleAlone = "{title}", *kTitleOnALine = "{title}\n";

StartingModel from_new(const ModelArgs& a, const data::Dataset& dataset, const ids::IdTable& table,
                       Communicator& comm) {
  data::Tokenizer tokenizer = shared_tokenizer(a, dataset, comm);
  trainer::T5Config config = a.t5;
  config.text_rows = tokenizer.num_pieces();
  config.id_tokens = table.num_tokens();
  config.text_head = a.softmax == checkpoints::Softmax::kFull;
  return {
      .tokenizer = std::move(tokenizer), .prompt = kTitleAlone, .shape = trainer::to_json(config)};
}

StartingModel from_encoder(const ModelArgs& a, const ids::IdTable& table) {
  checkpoints::BertSource encoder = checkpoints::BertSource::open(find_base(a.encoder));
  trainer::T5Config config = trainer::config_from_encoder(encoder, a.t5, table.num_tokens());
  config.lora = lora_over(a.lora, checkpoints::bert_tensors(*config.encoder));
  return {.tokenizer = data::Tokenizer::from_bytes(encoder.tokenizer_json(),
                                                   (encoder.path() / "tokenizer.json").string()),
          .prompt = kTitleAlone,
          .shape = trainer::to_json(config),
          .base = std::move(encoder)};
}

StartingModel from_t5(const ModelArgs& a, const std::filesystem::path& path,
                      const ids::IdTable& table) {
  checkpoints::HfT5 base = checkpoints::HfT5::open(path);
  data::Tokenizer tokenizer = data::Tokenizer::from_file(base.vocabulary_path());
  trainer::T5Config config = trainer::config_from_base(base, table.num_tokens(), a.softmax);
  config.lora = lora_over(a.lora, checkpoints::t5_block_tensors(config));
  if (tokenizer.num_pieces() > config.text_rows) {
    throw DataError(
        Problem{.file = base.vocabulary_path(),
                .place = {},
                .found = fmt::format("{} pieces", tokenizer.num_pieces()),
                .expected = fmt::format("at most the model's {} rows", config.text_rows),
                .cure = "give the vocabulary that the model was trained with"});
  }
  return {.tokenizer = std::move(tokenizer),
          .prompt = kTitleAlone,
          .shape = trainer::to_json(config),
          .base = std::move(base)};
}

StartingModel from_llama(const ModelArgs& a, const std::filesystem::path& path,
                         const ids::IdTable& table) {
  if (a.dropout > 0) {
    refuse("--dropout", std::to_string(a.dropout), "0 with a decoder-only --base",
           "Llama and Qwen have no dropout");
  }
  checkpoints::LlamaSource base = checkpoints::LlamaSource::open(path);
  checkpoints::LlamaConfig config = trainer::config_from_base(base, table.num_tokens(), a.softmax);
  config.lora = lora_over(a.lora, checkpoints::llama_block_tensors(config));
  return {.tokenizer = data::Tokenizer::from_bytes(base.tokenizer_json(), path.string()),
          .prompt = kTitleOnALine,
          .shape = checkpoints::to_json(config),
          .base = std::move(base)};
}

// Adapters of the run itself are in its matrices.
void add_lora(nlohmann::json& shape, const LoraArgs& a) {
  if (a.rank == 0) return;
  std::vector<checkpoints::TensorShape> tensors;
  if (shape.value("arch", "") == "llama") {
    tensors = checkpoints::llama_block_tensors(checkpoints::llama_config_from_json(shape));
  } else {
    const trainer::T5Config config = checkpoints::t5_config_from_json(shape);
    tensors = config.encoder ? checkpoints::bert_tensors(*config.encoder)
                             : checkpoints::t5_block_tensors(config);
  }
  shape["lora"] = checkpoints::to_json(lora_over(a, tensors).value());
}

StartingModel from_run(const ModelArgs& a, const ids::LoadedIdTable& ids) {
  trainer::LoadedModel before = trainer::load_predecessor(a.warm_start, ids);
  const std::string full = checkpoints::name_of(checkpoints::Softmax::kFull);
  const std::string softmax = before.state.value("softmax", "");
  if ((softmax == full) != (a.softmax == checkpoints::Softmax::kFull)) {
    refuse("--softmax", a.softmax_name, softmax + ", as the run",
           "text is a part of what is predicted in one of them only");
  }
  nlohmann::json shape = trainer::shape_under(*before.model, ids.table);
  add_lora(shape, a.lora);
  return {.tokenizer = std::move(before.tokenizer),
          .prompt = before.state.value("prompt", std::string(kTitleAlone)),
          .shape = std::move(shape),
          .made_from = {{kWarmStart, before.manifest.hash}},
          .base = std::move(before)};
}

StartingModel from_options(const ModelArgs& a, const data::Dataset& dataset,
                           const ids::IdTable& table, Communicator& comm) {
  if (!a.encoder.empty()) return from_encoder(a, table);
  if (a.base.empty()) return from_new(a, dataset, table, comm);
  const std::filesystem::path path = find_base(a.base);
  return checkpoints::LlamaSource::is_at(path) ? from_llama(a, path, table)
                                               : from_t5(a, path, table);
}

StartingModel from_options_or_run(const ModelArgs& a, const data::Dataset& dataset,
                                  const ids::LoadedIdTable& ids, Communicator& comm) {
  if (!a.warm_start.empty()) return from_run(a, ids);
  StartingModel start = from_options(a, dataset, ids.table, comm);
  trainer::leave_out_unread_tokens(start.shape, ids.table);
  return start;
}

}  // namespace

StartingModel make_starting_model(const ModelArgs& a, const data::Dataset& dataset,
                                  const ids::LoadedIdTable& ids, Communicator& comm) {
  StartingModel start = from_options_or_run(a, dataset, ids, comm);
  if (!a.prompt.empty()) start.prompt = a.prompt;
  start.tokenizer.set_prompt(start.prompt);
  if (start.tokenizer.encode("").empty()) {
    refuse("--prompt", start.prompt, "text beside {title}",
           "this tokenizer adds no token of its own, and a title may have none");
  }
  return start;
}

StartingModel resumed_model(const checkpoints::Checkpoint& last) {
  StartingModel start = {.tokenizer = data::Tokenizer::from_folder(last.path),
                         .prompt = last.state.value("prompt", std::string(kTitleAlone)),
                         .shape = last.state.value("model", nlohmann::json::object())};
  const auto warm = last.manifest.made_from.find(kWarmStart);
  if (warm != last.manifest.made_from.end()) start.made_from.insert(*warm);
  start.tokenizer.set_prompt(start.prompt);
  return start;
}

std::unique_ptr<trainer::IdModel> make_model(const StartingModel& start, const ModelArgs& a) {
  // A head that is tied to the text rows reads them all when it predicts text.
  const bool dense =
      a.softmax == checkpoints::Softmax::kFull && start.shape.value("tie_word_embeddings", false);
  auto model = trainer::make_model(
      start.shape, checkpoints::kStateFile,
      {.part = a.part, .text_rows = dense ? trainer::TextRows::kDense : a.text_rows});
  set_rates(model->parameters(), a.rates, a.thaw_at > 0);
  return model;
}

namespace {

// IDs of text may be pieces of the base's own vocabulary.
void start_known_pieces(trainer::IdModel& model, const StartingModel& start,
                        const ids::IdTable& table) {
  if (table.token_pieces.pieces.empty()) return;
  const std::string& bytes = start.tokenizer.bytes();
  if (sha256_of_bytes(bytes.data(), std::ssize(bytes)) != table.token_pieces.vocabulary) {
    log::warn("the IDs are pieces of another vocabulary than the base's; their rows start anew");
    return;
  }
  int64_t known = 0;
  if (const auto* t5 = std::get_if<checkpoints::HfT5>(&start.base)) {
    known = trainer::start_id_rows_from_pieces(model, table, *t5);
  } else if (const auto* llama = std::get_if<checkpoints::LlamaSource>(&start.base)) {
    known = trainer::start_id_rows_from_pieces(model, table, *llama);
  }
  log::info(fmt::format("{} of {} ID rows start from the base's rows of the same pieces", known,
                        table.num_tokens()));
}

}  // namespace

std::optional<trainer::BaseReport> fill_model(trainer::IdModel& model, const StartingModel& start,
                                              const ModelArgs& a, const ids::IdTable& table,
                                              uint64_t seed) {
  if (const auto* before = std::get_if<trainer::LoadedModel>(&start.base)) {
    if (a.lora.rank > 0) model.initialize(seed);
    const int64_t added = trainer::carry_over(*before->model, table, model);
    log::info(fmt::format("{}: step {} goes on under the new IDs, {} of {} tokens are new",
                          before->path.string(), before->state.value("step", int64_t{0}), added,
                          table.num_tokens()));
    return std::nullopt;
  }
  model.initialize(seed);
  if (a.start_ids == "codebook") trainer::start_id_rows_from_codebooks(model, table, seed);
  std::optional<trainer::BaseReport> report;
  std::string path;
  if (const auto* t5 = std::get_if<checkpoints::HfT5>(&start.base)) {
    report = trainer::load_base(model, *t5);
    path = t5->folder().string();
  } else if (const auto* llama = std::get_if<checkpoints::LlamaSource>(&start.base)) {
    report = trainer::load_base(model, *llama);
    path = llama->path().string();
  } else if (const auto* encoder = std::get_if<checkpoints::BertSource>(&start.base)) {
    report = trainer::load_encoder(model, *encoder);
    path = encoder->path().string();
  }
  if (!report) return std::nullopt;
  // Over an encoder the decoder is new, and its rows with it.
  if (!std::holds_alternative<checkpoints::BertSource>(start.base)) {
    trainer::scale_id_rows_to_base(model);
    start_known_pieces(model, start, table);
  }
  log_report(*report, path);
  return report;
}

}  // namespace tutti::launch
