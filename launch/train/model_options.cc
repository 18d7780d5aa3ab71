#include "launch/train/model_options.h"

#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "launch/option_checks.h"

namespace tutti::launch {
namespace {

struct ShapeOption {
  const char* name;
  const char* meaning;
  int64_t trainer::T5Config::*size;
};
constexpr ShapeOption kShape[] = {
    {"d-model", "width", &trainer::T5Config::d_model},
    {"d-kv", "width of an attention head", &trainer::T5Config::d_kv},
    {"num-heads", "attention heads", &trainer::T5Config::num_heads},
    {"d-ff", "width of the feed-forward layers", &trainer::T5Config::d_ff},
    {"num-layers", "encoder layers", &trainer::T5Config::num_layers},
    {"num-decoder-layers", "decoder layers", &trainer::T5Config::num_decoder_layers}};

constexpr double kEncoderRate = 0.1;  // of a pretrained encoder under a new decoder

// All but the loss and how much may change is the run's.
void check_warm_start(const ModelArgs& a) {
  constexpr const char* kExpected = "none beside --warm-start";
  constexpr const char* kCure = "the run decides; leave it out";
  const ModelArgs none;
  const auto require_default = [&](const char* name, auto ModelArgs::*value) {
    if (a.*value != none.*value) refuse(name, fmt::format("{}", a.*value), kExpected, kCure);
  };
  require_default("--base", &ModelArgs::base);
  require_default("--encoder", &ModelArgs::encoder);
  require_default("--vocabulary", &ModelArgs::vocabulary);
  require_default("--vocabulary-size", &ModelArgs::vocabulary_size);
  require_default("--prompt", &ModelArgs::prompt);
  require_default("--start-ids", &ModelArgs::start_ids);
  for (const auto& [name, meaning, size] : kShape) {
    if (a.t5.*size != trainer::T5Config().*size) {
      refuse(std::string("--") + name, std::to_string(a.t5.*size), kExpected, kCure);
    }
  }
}

// Adapters act on what is there and stays.
void check_lora(const ModelArgs& a) {
  check(a.lora);
  if (a.lora.rank == 0) return;
  const std::string rank = std::to_string(a.lora.rank);
  if (a.base.empty() && a.encoder.empty() && a.warm_start.empty()) {
    refuse("--lora-rank", rank, "0 without a --base", "there is nothing to adapt");
  }
  if (a.part != trainer::TrainedPart::kAll) {
    refuse("--train", a.part_name, "all beside --lora-rank",
           "adapters say what trains; leave one of them out");
  }
}

// Shape and vocabulary are the base's.
void check_base(const ModelArgs& a) {
  if (!a.encoder.empty()) {
    constexpr const char* kVocabulary = "the encoder has its own; leave it out";
    if (!a.vocabulary.empty()) {
      refuse("--vocabulary", a.vocabulary, "none beside --encoder", kVocabulary);
    }
    if (a.part == trainer::TrainedPart::kIdRows) {
      refuse("--train", a.part_name, "all or decoder beside --encoder",
             "the decoder over it is new: frozen it would stay random");
    }
    if (a.softmax == checkpoints::Softmax::kFull) {
      refuse("--softmax", a.softmax_name, "level, trie or ids beside --encoder",
             "the encoder's text has no head to be predicted with");
    }
    if (a.t5.num_layers != trainer::T5Config().num_layers) {
      refuse("--num-layers", std::to_string(a.t5.num_layers), "none beside --encoder",
             "the encoder decides; leave it out");
    }
    return;
  }
  if (a.base.empty()) {
    if (a.part != trainer::TrainedPart::kAll) {
      refuse("--train", a.part_name, "all without a --base",
             "frozen layers of a new model would stay random");
    }
    return;
  }
  constexpr const char* kCure = "the base decides; leave it out";
  if (!a.vocabulary.empty()) refuse("--vocabulary", a.vocabulary, "none beside --base", kCure);
  for (const auto& [name, meaning, size] : kShape) {
    if (a.t5.*size != trainer::T5Config().*size) {
      refuse(std::string("--") + name, std::to_string(a.t5.*size), "none beside --base", kCure);
    }
  }
}

// An option cannot hold a line end of its own: a config file has one option a line.
std::string with_line_ends(std::string text) {
  for (size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) {
    text.replace(at, 2, "\n");
  }
  return text;
}

}  // namespace

void refuse(const std::string& option, const std::string& found, const std::string& expected,
            const std::string& cure) {
  throw UsageError(
      Problem{.file = {}, .place = option, .found = found, .expected = expected, .cure = cure});
}

void declare(Options& options, ModelArgs& a) {
  options
      .add(
          "warm-start", &a.warm_start,
          "run folder or checkpoint to start from, trained for the table that `ids rebuild --from` "
          "was given: weights and vocabulary are its own, tokens that are new start from their "
          "neighbours, the optimizer starts anew")
      .add("base", &a.base,
           "model to start from: a folder of Hugging Face transformers (T5, T5 v1.1, Flan-T5, "
           "Llama, "
           "Qwen2 or Qwen3 with its tokenizer), a GGUF file (Llama, Qwen2, Qwen3), or the name of "
           "an "
           "installed one (smollm2; minilm: as --encoder minilm); empty: a new model")
      .add("encoder", &a.encoder,
           "folder of a BERT of Hugging Face transformers that reads the titles, under a new "
           "decoder; minilm: all-MiniLM-L6-v2 where its Python package is installed")
      .add("rate", &a.rate_text,
           "learning rates by part, as shares of --learning-rate: encoder | decoder | id-rows | "
           "text-rows | adapters, say encoder=0.1,id-rows=3; 1 where nothing is said, 0.1 of an "
           "--encoder that trains and its text-rows")
      .add("train", &a.part_name,
           "what may change: all | decoder (and ID rows) | id-rows; the rest costs no gradient")
      .add("thaw-at", &a.thaw_at,
           "train so up to this step, then all, with a fresh optimizer; 0: so to the end")
      .add("title-states", &a.title_states,
           "folder that keeps what a frozen --encoder makes of the training titles, for this run "
           "and others; empty: OUT/title-states; none: titles are read as they come");
  declare(options, a.lora);
  options
      .add("softmax", &a.softmax_name,
           "what a token is normalised over: level (rows of its position; of IDs that are text as "
           "ids) | trie (tokens that "
           "exist there) | ids (all ID rows) | full (text too: for engines that cannot constrain)")
      .add("dropout", &a.dropout, "rate, in T5's places")
      .add(
          "prompt", &a.prompt,
          "what the model reads of a title: a text with {title} in it (\\n: a line end), kept with "
          "the checkpoint; empty: '{title}', and '{title}\\n' for a decoder-only model")
      .add("vocabulary", &a.vocabulary,
           "a spiece.model to use; empty: one is trained on the training titles")
      .add("vocabulary-size", &a.vocabulary_size, "pieces of the trained vocabulary, at most");
  for (const auto& [name, meaning, size] : kShape) options.add(name, &(a.t5.*size), meaning);
  options
      .add("start-ids", &a.start_ids,
           "rows of ID tokens start from: codebook (their vectors, projected) | text (the "
           "base's embeddings of the words of titles with their tracks) | random")
      .add(
          "text-rows", &a.text_rows_name,
          "rows of the title vocabulary: sparse (AdamW moves those that a step reads) | dense (all "
          "of them, as any other weight; a vocabulary that a head predicts with is always so) | "
          "auto "
          "(dense in a new model, sparse over a base or encoder)");
}

void check(ModelArgs& a) {
  require_at_least("--vocabulary-size", a.vocabulary_size, 300);
  for (const auto& [name, meaning, size] : kShape) {
    require_at_least((std::string("--") + name).c_str(), a.t5.*size, 1);
  }
  require_one_of("--start-ids", a.start_ids, {"codebook", "text", "random"});
  require_one_of("--text-rows", a.text_rows_name, {"auto", "sparse", "dense"});
  require_share("--dropout", a.dropout);
  a.softmax = checkpoints::softmax_from_name(a.softmax_name);
  a.part = trainer::trained_part_from_name(a.part_name);
  a.rates = part_rates_from_text(a.rate_text);
  if (!a.base.empty() && !a.encoder.empty()) {
    refuse("--base", a.base, "none beside --encoder", "give one of them");
  }
  require_at_least("--thaw-at", a.thaw_at, 0);
  if (a.thaw_at > 0 && a.part == trainer::TrainedPart::kAll) {
    refuse("--thaw-at", std::to_string(a.thaw_at), "0 with --train all",
           "say what trains first: --train id-rows or decoder");
  }
  if (a.start_ids == "text" && a.base.empty() && a.encoder.empty()) {
    refuse("--start-ids", a.start_ids, "codebook or random without a --base",
           "the words of a new model mean nothing yet");
  }
  a.prompt = with_line_ends(a.prompt);
  if (!a.prompt.empty() && !data::is_prompt(a.prompt)) {
    refuse("--prompt", a.prompt, fmt::format("a text with one {}", data::kTitlePlace));
  }
  check_lora(a);
  if (!a.warm_start.empty()) return check_warm_start(a);
  if (a.base == "minilm") std::swap(a.base, a.encoder);
  check_base(a);
}

void settle_softmax(ModelArgs& a, const ids::IdTable& table) {
  if (table.is_text() && a.softmax == checkpoints::Softmax::kLevel) {
    a.softmax = checkpoints::Softmax::kIds;
  }
}

void settle(ModelArgs& a, const nlohmann::json& state) {
  const nlohmann::json before = state.value("train", nlohmann::json::object());
  if (a.text_rows_name == "auto") {
    const bool is_new = a.base.empty() && a.encoder.empty();
    // Runs that are older than the option updated all rows.
    const std::string chosen = is_new || !before.empty() ? "dense" : "sparse";
    a.text_rows_name = before.value("text-rows", chosen);
  }
  const bool same_adapters = before.value("lora-rank", int64_t{0}) == a.lora.rank;
  if (a.rate_text.empty() && same_adapters)
    a.rates = part_rates_from_text(before.value("rate", ""));
  const bool has_encoder =
      !a.encoder.empty() || state.value("model", nlohmann::json::object()).contains("encoder");
  const bool has_adapters = a.lora.rank > 0;  // over an encoder that stays as it is
  if (has_encoder && !has_adapters && (a.part == trainer::TrainedPart::kAll || a.thaw_at > 0)) {
    a.rates.try_emplace(trainer::ModelPart::kEncoder, kEncoderRate);
    a.rates.try_emplace(trainer::ModelPart::kTextRows, kEncoderRate);
  }
  a.rate_text = to_text(a.rates);
  a.text_rows =
      a.text_rows_name == "dense" ? trainer::TextRows::kDense : trainer::TextRows::kSparse;
}

}  // namespace tutti::launch
