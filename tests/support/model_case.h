#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace tutti {

// A case that t5_cases.py or llama_cases.py of tests/conformance wrote: a random model with titles,
// IDs and pairs, and what transformers computes of them in fp64, pair by pair; or the weights of a
// decoder-only base (metadata "base": its path) with random ID rows. Gives our relative
// error, |ours - theirs| / |theirs|, of "loss" (packed, full softmax), of the first "logits"
// (decoded step by step) and of every gradient, by parameter.
std::map<std::string, double> relative_errors_of_case(const std::filesystem::path& path);

}  // namespace tutti
