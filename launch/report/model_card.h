#pragma once

#include <string>

#include "launch/report/inputs.h"

namespace tutti::launch {

// A model card in Markdown with a YAML head: data, training, metrics, limits. The first lines of
// the limits say when the playlists are simulated and when a baseline finds more. What no input
// tells is said to be unknown.
std::string model_card(const ReportInputs& inputs);

}  // namespace tutti::launch
