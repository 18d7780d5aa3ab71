#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace tutti {

// A case that tests/conformance/bert_cases.py wrote: a random BERT with titles and what
// transformers computes of them in fp64, title by title. Gives our relative error, |ours - theirs|
// / |theirs|, of the token "states" (all titles in one batch) and of every gradient, by parameter.
std::map<std::string, double> relative_errors_of_bert_case(const std::filesystem::path& path);

}  // namespace tutti
