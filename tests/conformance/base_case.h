#pragma once

#include <filesystem>

namespace tutti::conformance {

// Starts a model from the HF folder `base` under the full softmax, saves it untrained as a
// checkpoint and exports that to out/export. out/report.json: what became of the base's tensors;
// out/case.json: texts with our tokens.
void write_base_case(const std::filesystem::path& base, const std::filesystem::path& out);

}  // namespace tutti::conformance
