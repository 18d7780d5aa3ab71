#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "checkpoints/softmax.h"
#include "ids/id_table.h"
#include "launch/options.h"
#include "launch/train/lora_options.h"
#include "launch/train/part_rates.h"
#include "trainer/models/t5.h"
#include "trainer/models/training_form.h"

namespace tutti::launch {

// What is trained: the model's shape, what it starts from, its vocabulary, its loss, and how much
// of it may change.
struct ModelArgs {
  std::string warm_start, base, encoder, vocabulary, prompt, rate_text,
      start_ids = "codebook", softmax_name = "level", part_name = "all", text_rows_name = "auto";
  int64_t vocabulary_size = 4000;
  double dropout = 0;
  int64_t thaw_at = 0;
  std::string title_states;
  LoraArgs lora;
  trainer::T5Config t5;
  std::vector<std::string> requests;  // templates that the vocabulary should know
  // Resolved by check().
  checkpoints::Softmax softmax = checkpoints::Softmax::kLevel;
  trainer::TrainedPart part = trainer::TrainedPart::kAll;
  trainer::TextRows text_rows = trainer::TextRows::kSparse;  // by settle()
  PartRates rates;                                           // by settle()
};

void declare(Options& options, ModelArgs& a);
// UsageError naming the option whose value does not go with what is at hand.
[[noreturn]] void refuse(const std::string& option, const std::string& found,
                         const std::string& expected, const std::string& cure = "");
// UsageError naming the option; resolves names (a base that is an encoder becomes `encoder`).
void check(ModelArgs& a);
// Resolves --text-rows auto and --rate: what the run had that goes on or is started from (`state`
// of its checkpoint, else empty). Of a new run, text rows are dense where the vocabulary starts
// from nothing, sparse where it is pretrained; an --encoder that trains and its words learn at a
// tenth of the rate.
void settle(ModelArgs& a, const nlohmann::json& state);
// IDs of text have no levels: what is normalised over the level is over all ID rows there.
void settle_softmax(ModelArgs& a, const ids::IdTable& table);

}  // namespace tutti::launch
