#pragma once

#include <map>
#include <string>

#include "trainer/models/model_part.h"

namespace tutti::launch {

// Shares of the learning rate, by part of the model; 1 where nothing is said.
using PartRates = std::map<trainer::ModelPart, double>;

// Of "encoder=0.1,id-rows=3": each part at most once, its factor finite and at least 0. Empty: none
// said. UsageError naming --rate and the word.
PartRates part_rates_from_text(const std::string& text);
std::string to_text(const PartRates& rates);  // in the order of the parts

// UsageError naming --rate where the model has no such part, or one that does not train: at any
// time of the run, when the rest of the model `thaws`.
void set_rates(std::vector<trainer::Parameter>& parameters, const PartRates& rates, bool thaws);

}  // namespace tutti::launch
