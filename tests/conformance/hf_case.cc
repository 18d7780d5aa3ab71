#include "tests/conformance/hf_case.h"

#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"
#include "checkpoints/export/hf.h"
#include "checkpoints/llama_config.h"
#include "data/tokenizer.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "ids/trie.h"
#include "tests/checkpoints/tiny_road.h"
#include "trainer/decode/generative_ranker.h"
#include "trainer/model_io.h"
#include "trainer/models/make_model.h"
#include "trainer/models/t5.h"

namespace tutti::conformance {

namespace {

constexpr int kNumTracks = 24, kBeam = 20, kNumResults = 10;

// A few hundred titles, so that the vocabulary has pieces of all lengths and the texts below split
// in more than one way.
std::vector<std::string> training_titles() {
  std::vector<std::string> titles = checkpoints::tiny_titles();
  const std::array<const char*, 8> moods{"rainy", "energetic", "late night", "happy",
                                         "sad",   "chill",     "Sunday",     "90s"};
  const std::array<const char*, 8> genres{"piano",  "rock",   "hip hop", "jazz",
                                          "techno", "música", "r&b",     "k-pop"};
  const std::array<const char*, 5> ends{"", " vibes", " mix", " for studying!", " & more"};
  for (const char* mood : moods) {
    for (const char* genre : genres) {
      for (const char* end : ends) titles.push_back(fmt::format("{} {}{}", mood, genre, end));
    }
  }
  return titles;
}

void append_utf8(std::string* text, uint32_t c) {
  const auto push = [text](uint32_t byte) { text->push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xc0 | c >> 6);
    push(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    push(0xe0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3f));
    push(0x80 | (c & 0x3f));
  } else {
    push(0xf0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3f));
    push(0x80 | (c >> 6 & 0x3f));
    push(0x80 | (c & 0x3f));
  }
}

// Titles as people write them, and text that nobody would: spaces of all kinds, composed and
// decomposed letters, full-width forms, emoji, scripts outside the vocabulary.
std::vector<std::string> texts_to_tokenize() {
  std::vector<std::string> texts = training_titles();
  texts.insert(
      texts.end(),
      {"",
       " ",
       "   ",
       "  two  spaces  ",
       "tab\tand\nnewline",
       "\u00a0nbsp\u00a0",
       "zero\u200bwidth",
       "ideographic\u3000space",
       "\u2581 visible space",
       "cafe\u0301 = caf\u00e9",
       "\uff32\uff4f\uff43\uff4b full width",
       "\U0001f3b8\U0001f525",
       "\u5915\u65b9\u306e\u97f3\u697d",
       "\u0420\u043e\u043a",
       "na\u00efve \u0130stanbul \u1e9e",
       "a",
       "<",
       "!!!",
       "\u2764\ufe0f \u00a9\ufe0f 2\ufe0f\u20e3",
       "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \U0001f44d\U0001f3fd",
       "next\xc2\x85line",
       "\u0e40\u0e1e\u0e25\u0e07 \u0939\u093f\u0928\u094d\u0926\u0940",
       "\u00bd \u2460 \u210c",
       "\ud55c\uad6d \ub178\ub798",
       "e\u0301\u0323"});
  const std::array<std::array<uint32_t, 2>, 9> ranges{{{0x20, 0x7e},
                                                       {0x61, 0x7a},
                                                       {0xa0, 0x17f},
                                                       {0x300, 0x320},
                                                       {0x3b1, 0x3c9},
                                                       {0x2000, 0x200a},
                                                       {0x3041, 0x3096},
                                                       {0xff01, 0xff5e},
                                                       {0x1f300, 0x1f5ff}}};
  Rng rng(7, Purpose::kTest);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (uint64_t left = 1 + rng.below(24); left > 0; --left) {
      const auto& range = ranges[rng.below(2) == 0 ? 1 : rng.below(ranges.size())];
      append_utf8(&text, range[0] + static_cast<uint32_t>(rng.below(range[1] - range[0] + 1)));
      if (rng.below(6) == 0) text += ' ';
    }
    texts.push_back(text);
  }
  return texts;
}

data::Tokenizer title_tokenizer() {
  const std::vector<std::string> sentences = training_titles();
  data::TokenizerTraining training;
  training.num_pieces = 500;
  return data::Tokenizer::from_bytes(
      data::train_sentencepiece(sentences, std::vector<int64_t>(sentences.size(), 2), training),
      "tiny");
}

nlohmann::json t5_shape(int64_t text_rows, int64_t id_tokens, bool text_head, bool over_bert) {
  trainer::T5Config config;
  if (over_bert) {
    config.encoder = {.vocab_size = text_rows,
                      .hidden_size = 24,  // not d_model
                      .intermediate_size = 20,
                      .num_hidden_layers = 2,
                      .num_attention_heads = 3,
                      .max_position_embeddings = 128};
    text_rows = 1;
  }
  config.text_rows = text_rows;
  config.id_tokens = id_tokens;
  config.text_head = text_head;
  config.d_model = 32;
  config.d_kv = 8;
  config.num_heads = 3;  // inner size 24, not d_model
  config.d_ff = 40;
  config.num_layers = 3;
  config.num_decoder_layers = 2;
  return to_json(config);
}

// With adapters on some of its layers.
nlohmann::json llama_shape(checkpoints::LlamaFamily family, int64_t text_rows, int64_t id_tokens,
                           bool text_head) {
  using Family = checkpoints::LlamaFamily;
  return to_json(checkpoints::LlamaConfig{
      .family = family,
      .text_rows = text_rows + 3,  // rows that no token has
      .id_tokens = id_tokens,
      .hidden_size = 24,
      .intermediate_size = 40,
      .num_hidden_layers = 3,
      .num_attention_heads = 6,
      .num_key_value_heads = 2,
      .head_dim = family == Family::kQwen3 ? 8 : 4,
      .max_position_embeddings = 256,
      .rope_scaling = family == Family::kLlama
                          ? std::optional(checkpoints::RopeScaling{
                                .factor = 4, .original_max_position_embeddings = 16})
                          : std::nullopt,
      .qkv_bias = family == Family::kQwen2,
      .qk_norm = family == Family::kQwen3,
      .tie_word_embeddings = family == Family::kQwen2,
      .text_head = text_head && family != Family::kQwen2,
      .lora = checkpoints::LoraConfig{
          .rank = 2, .alpha = 3, .targets = {"q_proj", "o_proj", "down_proj"}}});
}

// Every tensor random, norms around 1: the initial values would hide a norm or bias left out.
std::unique_ptr<trainer::IdModel> random_model(const nlohmann::json& shape) {
  std::unique_ptr<trainer::IdModel> model = trainer::make_model(shape);
  uint64_t stream = 0;
  for (trainer::Parameter& parameter : model->parameters()) {
    Rng rng(11, Purpose::kTest, ++stream);
    const bool is_norm =
        parameter.name.ends_with("norm.weight") || parameter.name.ends_with("LayerNorm.weight");
    auto* values = parameter.value.data_ptr<float>();
    for (int64_t i = 0; i < parameter.value.numel(); ++i) {
      values[i] = static_cast<float>((is_norm ? 1.0 : 0.0) + 0.2 * rng.normal());
    }
  }
  return model;
}

checkpoints::LlamaFamily family_from_name(const std::string& name) {
  using Family = checkpoints::LlamaFamily;
  for (const Family family : {Family::kLlama, Family::kQwen2, Family::kQwen3}) {
    if (name == checkpoints::name_of(family)) return family;
  }
  fail_check("a family of decoder-only models", name);
}

// The ID prefixes that a decoder can be asked for: of every track, all but the whole ID.
std::vector<std::vector<int32_t>> prefixes_of(const ids::IdTable& table) {
  std::vector<std::vector<int32_t>> prefixes;
  for (int64_t track = 0; track < table.num_tracks(); ++track) {
    const auto id = table.id_of(track);
    for (size_t length = 0; length < id.size(); ++length) {
      std::vector<int32_t> prefix(id.begin(), id.begin() + static_cast<int64_t>(length));
      if (std::find(prefixes.begin(), prefixes.end(), prefix) == prefixes.end()) {
        prefixes.push_back(std::move(prefix));
      }
    }
  }
  return prefixes;
}

// Titles padded to one length: tokens [B, S], lengths [B].
std::pair<at::Tensor, at::Tensor> batch_of(const std::vector<std::vector<int32_t>>& titles) {
  size_t longest = 0;
  for (const auto& title : titles) longest = std::max(longest, title.size());
  const auto num_titles = std::ssize(titles);
  at::Tensor tokens = at::zeros({num_titles, static_cast<int64_t>(longest)}, at::kLong);
  at::Tensor lengths = at::empty({num_titles}, at::kLong);
  for (int64_t b = 0; b < num_titles; ++b) {
    const auto& title = titles[static_cast<size_t>(b)];
    std::copy(title.begin(), title.end(),
              tokens.data_ptr<int64_t>() + b * static_cast<int64_t>(longest));
    lengths.data_ptr<int64_t>()[b] = std::ssize(title);
  }
  return {tokens, lengths};
}

// [titles, id_tokens] behind one prefix.
at::Tensor logits_behind(const trainer::IdModel& model, const trainer::TitleInputs& titles,
                         const std::vector<int32_t>& prefix) {
  trainer::DecoderState state = model.start(titles);
  at::Tensor rows = at::empty({titles.lengths.size(0)}, at::kLong);
  for (int64_t b = 0; b < rows.size(0); ++b) rows.data_ptr<int64_t>()[b] = b;
  at::Tensor hidden = model.step(state, at::full({rows.size(0)}, -1, at::kLong), rows, rows);
  for (const int32_t token : prefix) {
    hidden = model.step(state, at::full({rows.size(0)}, token, at::kLong), rows, rows);
  }
  return model.logits(hidden, 0, model.id_tokens()).contiguous();
}

void write_logits(const std::filesystem::path& path, const trainer::IdModel& model,
                  const std::vector<std::vector<int32_t>>& titles,
                  const std::vector<std::vector<int32_t>>& prefixes) {
  const auto [tokens, lengths] = batch_of(titles);
  const int64_t id_tokens = model.id_tokens();
  std::vector<std::vector<float>> values(titles.size());
  for (const auto& prefix : prefixes) {
    const at::Tensor logits = logits_behind(model, {.tokens = tokens, .lengths = lengths}, prefix);
    for (size_t b = 0; b < titles.size(); ++b) {
      const float* row = logits.const_data_ptr<float>() + static_cast<int64_t>(b) * id_tokens;
      values[b].insert(values[b].end(), row, row + id_tokens);
    }
  }
  std::vector<checkpoints::NamedTensor> tensors;
  for (size_t b = 0; b < titles.size(); ++b) {
    tensors.push_back({std::to_string(b),
                       checkpoints::TensorType::kF32,
                       {std::ssize(prefixes), id_tokens},
                       values[b].data()});
  }
  checkpoints::write_safetensors(path, tensors, {});
}

// What diverse beams find, with duplicates as transformers leaves them: "diverse": a list a
// setting.
void write_diverse_beams(const trainer::IdModel& model, const data::Tokenizer& tokenizer,
                         const ids::IdTable& table, const ids::Trie& trie,
                         checkpoints::Softmax softmax, const std::vector<std::string>& titles,
                         nlohmann::json* json) {
  struct Setting {
    int beam, groups;
    double penalty;
  };
  for (const auto& [beam, groups, penalty] :
       {Setting{8, 4, 0.25}, {12, 3, 0.25}, {12, 6, 1.5}, {6, 6, 0.25}}) {
    trainer::GenerativeRanker ranker(model, tokenizer, table, trie,
                                     {.beam = beam,
                                      .groups = groups,
                                      .diversity = penalty,
                                      .distinct = false,
                                      .softmax = softmax});
    nlohmann::json found;
    for (const auto& ranked : ranker.rank(titles, beam)) {
      nlohmann::json list = nlohmann::json::array();
      for (const trainer::Recommendation& r : ranked) list.push_back({r.track, r.score});
      found.push_back(std::move(list));
    }
    (*json)["diverse"].push_back(
        {{"beam", beam}, {"groups", groups}, {"penalty", penalty}, {"found", std::move(found)}});
  }
}

}  // namespace

void write_hf_case(const std::filesystem::path& folder, checkpoints::Softmax softmax,
                   const std::string& tokenizer_json, const std::string& family, bool text_ids) {
  const at::NoGradGuard no_grad;
  ids::LoadedIdTable ids{.manifest = {},
                         .table = text_ids ? checkpoints::tiny_text_table(kNumTracks)
                                           : checkpoints::tiny_id_table(kNumTracks)};
  ids.manifest.hash = std::string(64, 'a');
  Manifest dataset;
  dataset.hash = std::string(64, 'b');
  const data::Catalog catalog = checkpoints::tiny_catalog(kNumTracks);
  data::Tokenizer tokenizer =
      tokenizer_json.empty() ? title_tokenizer() : data::Tokenizer::from_file(tokenizer_json);
  const std::string prompt = family.empty() ? "{title}" : "<|im_start|> listen: {title}\n";
  tokenizer.set_prompt(prompt);
  const bool text_head = softmax == checkpoints::Softmax::kFull;
  const int64_t text_rows = tokenizer.num_pieces(), id_tokens = ids.table.num_tokens();
  const std::unique_ptr<trainer::IdModel> made = random_model(
      family.empty() ? t5_shape(text_rows, id_tokens, text_head, !tokenizer_json.empty())
                     : llama_shape(family_from_name(family), text_rows, id_tokens, text_head));
  const trainer::IdModel& model = *made;

  checkpoints::CheckpointStore::Content content;
  content.model = trainer::parameters_as_tensors(model);
  content.state = {{"step", 1},
                   {"softmax", checkpoints::name_of(softmax)},
                   {"model", model.shape()},
                   {"prompt", prompt}};
  content.files = {{tokenizer.file_name(), tokenizer.bytes()}};
  content.made_from = {{"id-table", ids.manifest.hash}, {"dataset", dataset.hash}};
  checkpoints::CheckpointStore(folder / "run").save(1, content, 1);
  const checkpoints::Checkpoint checkpoint = checkpoints::open_checkpoint(folder / "run");
  checkpoints::export_hf(
      folder / "export",
      {.checkpoint = checkpoint, .ids = ids, .catalog = catalog, .dataset = dataset}, false);

  nlohmann::json json;
  json["texts"] = texts_to_tokenize();
  for (const std::string& text : texts_to_tokenize()) {
    json["text_ids"].push_back(tokenizer.encode(text));
  }
  // The last one is longer than the relative positions that have buckets of their own.
  const std::vector<std::string> titles{
      "rainy evening piano", "rock", "happy k-pop mix for Sunday & more",
      "a very long title that goes on and on, so that far relative positions share a bucket, as "
      "nobody but a test would ever write it: piano jazz techno rock hip hop chill vibes, 1999"};
  json["titles"] = titles;
  json["prefixes"] = prefixes_of(ids.table);
  json["text_rows"] = model.text_rows();
  std::vector<std::vector<int32_t>> title_tokens;
  for (const std::string& title : titles) title_tokens.push_back(tokenizer.encode(title));
  write_logits(folder / "logits.safetensors", model, title_tokens, prefixes_of(ids.table));

  const ids::Trie trie = ids::build_trie(ids.table);
  trainer::GenerativeRanker ranker(model, tokenizer, ids.table, trie,
                                   {.beam = kBeam, .softmax = softmax});
  for (const auto& ranked : ranker.rank(titles, kNumResults)) {
    nlohmann::json list = nlohmann::json::array();
    for (const trainer::Recommendation& r : ranked) list.push_back({r.track, r.score});
    json["found"].push_back(list);
  }
  write_diverse_beams(model, tokenizer, ids.table, trie, softmax, titles, &json);
  std::ofstream(folder / "case.json") << json.dump();
}

}  // namespace tutti::conformance
