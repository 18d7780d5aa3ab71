#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tutti::trainer {

struct Parameter;

// The parts of a model that may learn at a rate of their own. Every parameter belongs to one.
enum class ModelPart {
  kEncoder,   // layers that read titles before a decoder does, without their word embeddings
  kDecoder,   // all other layers; of a decoder-only model all of them
  kIdRows,    // rows of ID tokens: what the model reads and what it predicts with
  kTextRows,  // word embeddings, and the rows that predict text
  kAdapters,  // low-rank adapters
};

const std::vector<ModelPart>& all_model_parts();
std::string name_of(ModelPart part);  // encoder, decoder, id-rows, text-rows, adapters

// By the name of the parameter in this model. `over_bert`: the model's titles are read by a BERT,
// and its one "shared.weight" is what the decoder starts from.
ModelPart part_of(const std::string& parameter, bool over_bert);

// What a model has of a part.
enum class PartUse { kAbsent, kFrozen, kTrained };

// Sets Parameter::rate of all parameters of the part; says what there was to set.
PartUse set_part_rate(std::vector<Parameter>& parameters, ModelPart part, double rate);

}  // namespace tutti::trainer
