#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "checkpoints/checkpoint_store.h"

// Going on with a run: from where, and that it is the same run.
namespace tutti::launch {

// Values of --resume, beside a path.
constexpr const char *kNever = "never", *kAuto = "auto";

// What there is to go on from in --out, or at the path that --resume names. All ranks look, so that
// all agree. UsageError when --out already holds a later checkpoint.
std::optional<checkpoints::Checkpoint> checkpoint_to_resume(const std::string& out,
                                                            const std::string& resume);

// The options without those that say where things are and how the work is done: what is left shapes
// the result, and is kept in state.json under "train".
nlohmann::json what_makes_a_run(nlohmann::json resolved);

// UsageError unless what decides which samples a step holds, and what becomes of them, is as in the
// run of the checkpoint. `now`: as what_makes_a_run() gives it; `requests`: templates of prompts.
void require_same_run(const checkpoints::Checkpoint& last, const nlohmann::json& now,
                      const std::vector<std::string>& requests);

}  // namespace tutti::launch
