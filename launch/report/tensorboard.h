#pragma once

#include <string>
#include <vector>

#include "launch/report/event_file.h"

namespace tutti::launch {

// Every number of the log.jsonl as a curve: "train/loss", "train/level_loss_0", "validation/...".
// Wall times are seconds of training from 0 on: the log has no clock, and the same log gives the
// same bytes. What is not finite is left out. DataError.
std::vector<ScalarEvent> scalar_events(const std::string& log_file);

}  // namespace tutti::launch
