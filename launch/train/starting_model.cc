#include "launch/train/starting_model.h"

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "launch/train/known_bases.h"
#include "trainer/id_rows.h"
#include "trainer/training_data.h"

namespace tutti::launch {
namespace {

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
  log::info(fmt::format("{}: {} tensors of {} values loaded; added: {}; ignored: {}", base,
                        report.loaded.size(), report.num_loaded_values,
                        fmt::join(report.added, ", "),
                        ignored.empty() ? "none" : fmt::format("{}", fmt::join(ignored, ", "))));
}

}  // namespace

StartingModel make_starting_model(const ModelArgs& a, const data::Dataset& dataset,
                                  const ids::IdTable& table, Communicator& comm) {
  if (!a.encoder.empty()) {
    checkpoints::BertSource encoder = checkpoints::BertSource::open(find_base(a.encoder));
    return {.tokenizer = data::Tokenizer::from_bytes(encoder.tokenizer_json(),
                                                     (encoder.path() / "tokenizer.json").string()),
            .config = trainer::config_from_encoder(encoder, a.t5, table.num_tokens()),
            .encoder = std::move(encoder)};
  }
  if (a.base.empty()) {
    StartingModel start = {.tokenizer = shared_tokenizer(a, dataset, comm), .config = a.t5};
    start.config.text_rows = start.tokenizer.num_pieces();
    start.config.id_tokens = table.num_tokens();
    start.config.text_head = a.softmax == checkpoints::Softmax::kFull;
    return start;
  }
  const std::filesystem::path path = find_base(a.base);
  if (std::filesystem::is_regular_file(path)) {
    throw UsageError(Problem{path.string(), "--base", "a file of a decoder-only model (GGUF)",
                             "a folder of a T5, or minilm",
                             "training from decoder-only models is not there yet"});
  }
  checkpoints::HfT5 base = checkpoints::HfT5::open(path);
  data::Tokenizer tokenizer = data::Tokenizer::from_file(base.vocabulary_path());
  const trainer::T5Config config = trainer::config_from_base(base, table.num_tokens(), a.softmax);
  if (tokenizer.num_pieces() > config.text_rows) {
    throw DataError(
        Problem{.file = base.vocabulary_path(),
                .place = {},
                .found = fmt::format("{} pieces", tokenizer.num_pieces()),
                .expected = fmt::format("at most the model's {} rows", config.text_rows),
                .cure = "give the vocabulary that the model was trained with"});
  }
  return {.tokenizer = std::move(tokenizer), .config = config, .base = std::move(base)};
}

StartingModel resumed_model(const checkpoints::Checkpoint& last) {
  return {
      .tokenizer = data::Tokenizer::from_folder(last.path),
      .config = trainer::t5_config_from_json(last.state.value("model", nlohmann::json::object()),
                                             (last.path / checkpoints::kStateFile).string())};
}

std::optional<trainer::BaseReport> fill_model(trainer::T5Model& model, const StartingModel& start,
                                              const ModelArgs& a, const ids::IdTable& table,
                                              uint64_t seed) {
  model.initialize(seed);
  if (a.start_ids == "codebook") trainer::start_id_rows_from_codebooks(model, table, seed);
  if (start.encoder) {
    trainer::BaseReport report = trainer::load_encoder(model, *start.encoder);
    log_report(report, start.encoder->path().string());
    return report;
  }
  if (!start.base) return std::nullopt;
  trainer::BaseReport report = trainer::load_base(model, *start.base);
  trainer::scale_id_rows_to_base(model);
  log_report(report, start.base->folder().string());
  return report;
}

}  // namespace tutti::launch
