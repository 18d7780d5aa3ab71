#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <sstream>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "checkpoints/export/hf.h"
#include "checkpoints/export/sentencepiece_model.h"
#include "dist/runtime/errors.h"
#include "ids/trie.h"
#include "tests/checkpoints/tiny_road.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kTracks = 20, kDModel = 4, kIdTokens = 9;

// A checkpoint of hand-made tensors: every value tells its tensor and its place.
class ExportHf : public testing::Test {
 protected:
  ExportHf() {
    source_ids_.table = tiny_id_table(kTracks);
    source_ids_.manifest.hash = std::string(64, 'i');
    dataset_.hash = std::string(64, 'd');
    catalog_ = tiny_catalog(kTracks);
    vocabulary_ = tiny_vocabulary();
    text_rows_ = static_cast<int64_t>(parse_sentencepiece_model(vocabulary_, "").pieces.size());
    state_ = {{"step", 7},
              {"softmax", "level"},
              {"model",
               {{"arch", "t5"},
                {"text_rows", text_rows_},
                {"id_tokens", kIdTokens},
                {"d_model", kDModel},
                {"d_kv", 3},
                {"num_heads", 2},
                {"d_ff", 5},
                {"num_layers", 1},
                {"num_decoder_layers", 1},
                {"relative_attention_num_buckets", 32},
                {"relative_attention_max_distance", 128},
                {"layer_norm_epsilon", 1e-6},
                {"feed_forward_proj", "gated-gelu"},
                {"tie_word_embeddings", false},
                {"scale_decoder_outputs", false},
                {"text_head", false}}}};
    add("shared.weight", {text_rows_, kDModel});
    add("id_embedding.weight", {kIdTokens, kDModel});
    add("lm_head.id.weight", {kIdTokens, kDModel});
    for (const std::string stack : {"encoder", "decoder"}) {
      const bool is_decoder = stack == "decoder";
      const std::string layer = stack + ".block.0.layer.";
      add_attention(layer + "0", "SelfAttention");
      add(layer + "0.SelfAttention.relative_attention_bias.weight", {32, 2});
      if (is_decoder) add_attention(layer + "1", "EncDecAttention");
      const std::string ffn = layer + (is_decoder ? "2" : "1");
      add(ffn + ".DenseReluDense.wi_0.weight", {5, kDModel});
      add(ffn + ".DenseReluDense.wi_1.weight", {5, kDModel});
      add(ffn + ".DenseReluDense.wo.weight", {kDModel, 5});
      add(ffn + ".layer_norm.weight", {kDModel});
      add(stack + ".final_layer_norm.weight", {kDModel});
    }
  }

  void add(const std::string& name, std::vector<int64_t> shape) {
    NamedTensor tensor{name, TensorType::kF32, std::move(shape), nullptr};
    auto& values = values_.emplace_back();
    for (int64_t i = 0; i < tensor.num_elements(); ++i) {
      values.push_back(static_cast<float>(values_.size()) + static_cast<float>(i) / 4096.0F);
    }
    tensor.data = values.data();
    tensors_.push_back(tensor);
  }
  void add_attention(const std::string& layer, const std::string& kind) {
    for (const char* in : {"q", "k", "v"}) {
      add(fmt::format("{}.{}.{}.weight", layer, kind, in), {6, kDModel});
    }
    add(fmt::format("{}.{}.o.weight", layer, kind), {kDModel, 6});
    add(layer + ".layer_norm.weight", {kDModel});
  }

  Manifest run_export(bool overwrite = false) {
    const TempFolder run;
    CheckpointStore::Content content;
    content.model = tensors_;
    content.state = state_;
    content.files = {{"spiece.model", vocabulary_}};
    content.made_from = {{"id-table", made_from_ids_}, {"dataset", std::string(64, 'd')}};
    CheckpointStore(run / "run").save(7, content, 1);
    const Checkpoint checkpoint = open_checkpoint(run / "run");
    return export_hf(
        folder_ / "out",
        {.checkpoint = checkpoint, .ids = source_ids_, .catalog = catalog_, .dataset = dataset_},
        overwrite);
  }
  std::string refusal() {
    std::string message = message_of<DataError>([this] { run_export(); });
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
    return message;
  }
  nlohmann::json json_of(const std::string& name) const {
    return nlohmann::json::parse(read_bytes(folder_ / ("out/" + name)));
  }

  TempFolder folder_;
  ids::LoadedIdTable source_ids_;
  Manifest dataset_;
  data::Catalog catalog_;
  std::string vocabulary_, made_from_ids_ = std::string(64, 'i');
  int64_t text_rows_ = 0;
  nlohmann::json state_;
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<float>> values_;
};

TEST_F(ExportHf, PutsTextAndIdRowsTogetherAndLeavesTheRestAsItIs) {
  run_export();
  const SafetensorsFile model = SafetensorsFile::open(folder_ / "out/model.safetensors");
  EXPECT_EQ(model.metadata().at("format"), "pt");
  EXPECT_EQ(model.tensors().size(), tensors_.size() - 1) << "three matrices became two";
  const std::array<int64_t, 2> shape{text_rows_ + kIdTokens, kDModel};
  const auto* shared =
      static_cast<const float*>(model.require("shared.weight", TensorType::kF32, shape).data);
  const auto* head =
      static_cast<const float*>(model.require("lm_head.weight", TensorType::kF32, shape).data);
  const auto text_values = static_cast<size_t>(text_rows_ * kDModel);
  EXPECT_TRUE(std::equal(values_[0].begin(), values_[0].end(), shared));
  EXPECT_TRUE(std::equal(values_[1].begin(), values_[1].end(), shared + text_values));
  EXPECT_TRUE(std::all_of(head, head + text_values, [](float v) { return v == 0; }));
  EXPECT_TRUE(std::equal(values_[2].begin(), values_[2].end(), head + text_values));
  for (size_t i = 3; i < tensors_.size(); ++i) {
    const auto& tensor = model.require(tensors_[i].name, TensorType::kF32, tensors_[i].shape);
    EXPECT_TRUE(
        std::equal(values_[i].begin(), values_[i].end(), static_cast<const float*>(tensor.data)));
  }
}

TEST_F(ExportHf, WritesTheConfigThatUntiesTheHead) {
  run_export();
  const nlohmann::json config = json_of("config.json");
  EXPECT_EQ(config.at("vocab_size"), text_rows_ + kIdTokens);
  EXPECT_EQ(config.at("tie_word_embeddings"), false);
  EXPECT_EQ(config.at("feed_forward_proj"), "gated-gelu");
  EXPECT_EQ(config.at("decoder_start_token_id"), 0);
  EXPECT_EQ(config.at("tutti").at("id_table"), std::string(64, 'i'));
  EXPECT_EQ(config.at("tutti").at("levels").at(1).at("first_token"), text_rows_ + 4);
  EXPECT_EQ(json_of("generation_config.json").at("max_new_tokens"), 3);
  EXPECT_EQ(json_of("generation_config.json").at("length_penalty"), 0.0);
}

TEST_F(ExportHf, AddsIdTokensBehindTheTextRowsInEveryTokenizerFile) {
  state_["model"]["text_rows"] = text_rows_ + 2;  // rows without a piece get names too
  values_[0].resize(static_cast<size_t>((text_rows_ + 2) * kDModel));
  tensors_[0] = {"shared.weight", TensorType::kF32, {text_rows_ + 2, kDModel}, values_[0].data()};
  run_export();
  const nlohmann::json added = json_of("added_tokens.json");
  EXPECT_EQ(added.size(), kIdTokens + 2U);
  EXPECT_EQ(added.at("<L0_0>"), text_rows_ + 2);
  EXPECT_EQ(added.at("<S_1>"), text_rows_ + 2 + 8);
  const nlohmann::json decoder = json_of("tokenizer_config.json").at("added_tokens_decoder");
  const nlohmann::json last = decoder.at(std::to_string(text_rows_ + 2 + 8));
  EXPECT_EQ(last.at("content"), "<S_1>");
  EXPECT_EQ(last.at("special"), false);
  EXPECT_EQ(last.at("normalized"), false);
  const nlohmann::json fast = json_of("tokenizer.json");
  EXPECT_EQ(fast.at("model").at("vocab").size(), static_cast<size_t>(text_rows_));
  EXPECT_EQ(fast.at("added_tokens").back().at("id"), text_rows_ + 2 + 8);
  EXPECT_EQ(read_bytes(folder_ / "out/spiece.model"), vocabulary_);
}

TEST_F(ExportHf, WritesTheTrieInVocabularyIds) {
  run_export();
  const SafetensorsFile file = SafetensorsFile::open(folder_ / "out/trie.safetensors");
  const ids::Trie trie = ids::build_trie(source_ids_.table);
  const std::array<int64_t, 1> edges{trie.num_edges()}, nodes{trie.num_nodes() + 1}, levels{3};
  const auto* row = static_cast<const int64_t*>(file.require("row", TensorType::kI64, nodes).data);
  const auto* token =
      static_cast<const int32_t*>(file.require("token", TensorType::kI32, edges).data);
  const auto* target =
      static_cast<const int32_t*>(file.require("target", TensorType::kI32, edges).data);
  EXPECT_TRUE(std::equal(trie.row.begin(), trie.row.end(), row));
  EXPECT_TRUE(std::equal(trie.target.begin(), trie.target.end(), target));
  EXPECT_EQ(token[0], text_rows_);
  const auto* first =
      static_cast<const int32_t*>(file.require("level_first", TensorType::kI32, levels).data);
  EXPECT_EQ(first[2], text_rows_ + 7);
}

TEST_F(ExportHf, MapsEveryIdToItsTrack) {
  catalog_.artist_keys.push_back("artist:nameless");
  catalog_.artist_names.push_back("");
  catalog_.track_artist[10] = 1;
  run_export();
  std::istringstream lines(read_bytes(folder_ / "out/id_map.jsonl"));
  std::vector<nlohmann::json> tracks;
  for (std::string line; std::getline(lines, line);) tracks.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(tracks.size(), static_cast<size_t>(kTracks));
  EXPECT_EQ(tracks[8].at("track"), "track:8");
  EXPECT_EQ(tracks[8].at("artist"), "Beyonc\xc3\xa9 \"B\"");
  EXPECT_EQ(tracks[9].at("artist"), "") << "unknown";
  EXPECT_EQ(tracks[10].at("artist"), "artist:nameless");
  EXPECT_EQ(tracks[8].at("name"), "Song 8");
  EXPECT_THAT(tracks[8].at("tokens"), ElementsAre("<L0_1>", "<L1_1>", "<S_0>"));
  EXPECT_THAT(tracks[8].at("ids"), ElementsAre(text_rows_ + 1, text_rows_ + 5, text_rows_ + 7));
}

TEST_F(ExportHf, SaysWhatItWasMadeFromAndGivesTheSameBytesAgain) {
  const Manifest manifest = run_export();
  EXPECT_EQ(manifest.made_from.at("id-table"), std::string(64, 'i'));
  EXPECT_EQ(manifest.made_from.at("dataset"), std::string(64, 'd'));
  EXPECT_EQ(manifest.made_from.at("checkpoint").size(), 64U);
  EXPECT_EQ(manifest.counts.at("tracks"), kTracks);
  EXPECT_EQ(run_export(/*overwrite=*/true).hash, manifest.hash);
  EXPECT_THROW(run_export(), UsageError);
  const std::string readme = read_bytes(folder_ / "out/README.md");
  EXPECT_THAT(readme, HasSubstr("softmax: level"));
  EXPECT_THAT(readme, HasSubstr("prefix_allowed_tokens_fn"));
}

TEST_F(ExportHf, SaysHowATrieSoftmaxIsNormalised) {
  state_["softmax"] = "trie";
  run_export();
  EXPECT_THAT(read_bytes(folder_ / "out/README.md"), HasSubstr("softmax: trie"));
}

TEST_F(ExportHf, RefusesIdsThatTheModelWasNotTrainedFor) {
  made_from_ids_ = std::string(64, 'o');
  const std::string message = refusal();
  EXPECT_THAT(message, HasSubstr("oooo"));
  EXPECT_THAT(message, HasSubstr("iiii"));
}

TEST_F(ExportHf, RefusesAnotherDataset) {
  dataset_.hash = std::string(64, 'x');
  EXPECT_THAT(refusal(), HasSubstr("xxxx"));
}

TEST_F(ExportHf, RefusesCountsThatDiffer) {
  catalog_ = tiny_catalog(kTracks + 1);
  EXPECT_THAT(refusal(), HasSubstr("21"));
  catalog_ = tiny_catalog(kTracks);
  state_["model"]["id_tokens"] = kIdTokens + 1;
  EXPECT_THAT(refusal(), HasSubstr("id_tokens"));
}

TEST_F(ExportHf, RefusesTensorsThatAreNotThoseOfTheModel) {
  tensors_[4].shape.push_back(1);
  EXPECT_THAT(refusal(), HasSubstr(tensors_[4].name));
  tensors_[4].shape.pop_back();
  const NamedTensor last = tensors_.back();
  tensors_.pop_back();
  EXPECT_THAT(refusal(), HasSubstr(last.name));
  tensors_.push_back(last);
  add("lm_head.weight", {1});
  EXPECT_THAT(refusal(), HasSubstr("lm_head.weight"));
}

TEST_F(ExportHf, RefusesAStateThatDoesNotDescribeAT5) {
  const nlohmann::json good = state_;
  state_["model"]["d_kv"] = -3;
  EXPECT_THAT(refusal(), HasSubstr("d_kv"));
  state_["model"].erase("d_kv");
  EXPECT_THAT(refusal(), HasSubstr("d_kv"));
  state_["model"]["arch"] = "mamba";
  EXPECT_THAT(refusal(), HasSubstr("mamba"));
  state_ = good;
  state_["softmax"] = "sparse";
  EXPECT_THAT(refusal(), HasSubstr("sparse"));
}

TEST_F(ExportHf, RefusesAVocabularyItCannotExport) {
  vocabulary_ = "\xff\xff";
  EXPECT_THAT(refusal(), HasSubstr("spiece.model"));
  vocabulary_ = "";
  EXPECT_THAT(refusal(), HasSubstr("0 pieces"));
}

TEST(SentencePieceModelFile, ReadsWhatTheLibraryReads) {
  const std::string bytes = tiny_vocabulary();
  const SentencePieceModel model = parse_sentencepiece_model(bytes, "");
  const data::Tokenizer tokenizer = data::Tokenizer::from_bytes(bytes, "");
  ASSERT_EQ(std::ssize(model.pieces), tokenizer.num_pieces());
  for (int32_t id = 0; id < tokenizer.num_pieces(); ++id) {
    EXPECT_EQ(model.pieces[static_cast<size_t>(id)].text, tokenizer.piece(id));
  }
  EXPECT_TRUE(model.is_unigram);
  EXPECT_TRUE(model.byte_fallback);
  EXPECT_GT(model.charsmap.size(), 100'000U) << "nmt_nfkc_cf";
  EXPECT_EQ(model.pieces[0].type, SentencePieceModel::Type::kControl);
  EXPECT_EQ(model.pieces[2].type, SentencePieceModel::Type::kUnknown);
  EXPECT_LT(model.pieces.back().score, 0);
}

TEST(SentencePieceModelFile, RefusesEveryTruncationInAField) {
  const std::string bytes = tiny_vocabulary();
  const auto refuse = [](const std::string& part) {
    return message_of<DataError>([&] { parse_sentencepiece_model(part, "x.model"); });
  };
  EXPECT_THAT(refuse(bytes.substr(0, bytes.size() - 1)), HasSubstr("x.model"));
  EXPECT_THAT(refuse("\x0a\x7f"), HasSubstr("in the middle of a field"));
  EXPECT_THAT(refuse("\x0b"), HasSubstr("wire type 3"));
  EXPECT_THAT(refuse(std::string(11, '\xff')), HasSubstr("64 bits"));
}

}  // namespace
}  // namespace tutti::checkpoints
