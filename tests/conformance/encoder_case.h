#pragma once

#include <filesystem>

namespace tutti::conformance {

// Reads a BERT folder and titles (a JSON array of texts); writes "tokens.N" [T] int64 and
// "states.N" [T, hidden_size] of each, computed in one batch.
void write_token_states(const std::filesystem::path& folder, const std::filesystem::path& titles,
                        const std::filesystem::path& out);

}  // namespace tutti::conformance
