#include "dist/agreement.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/process.h"

namespace tutti {
namespace {

constexpr int64_t kDigits = 64;     // of a SHA-256
constexpr int64_t kHostChars = 64;  // enough to find the machine
constexpr size_t kShown = 12;

}  // namespace

void require_agreement(Communicator& comm, const Facts& facts) {
  std::string mine;
  for (const auto& [name, value] : facts) mine += sha256_of_bytes(value.data(), std::ssize(value));
  std::string host = host_name();
  host.resize(kHostChars, '\0');
  mine += host;
  const std::vector<int64_t> counts(comm.size(), std::ssize(mine));
  std::string all(mine.size() * comm.size(), '\0');
  comm.all_gather_bytes(mine.data(), all.data(), counts);

  const auto part = [&](int rank, size_t begin, int64_t size) {
    return all.substr(rank * mine.size() + begin, size);
  };
  for (size_t i = 0; i < facts.size(); ++i) {
    const std::string first = part(0, i * kDigits, kDigits);
    for (int rank = 1; rank < comm.size(); ++rank) {
      const std::string other = part(rank, i * kDigits, kDigits);
      if (other == first) continue;
      std::string where = part(rank, facts.size() * kDigits, kHostChars);
      where.resize(std::min(where.find('\0'), where.size()));
      throw UsageError(Problem{"", fmt::format("{} of rank {} ({})", facts[i].first, rank, where),
                               fmt::format("hash {}", other.substr(0, kShown)),
                               fmt::format("{} as on rank 0", first.substr(0, kShown)),
                               "start all ranks with the same program, options and files"});
    }
  }
}

std::string hash_of_this_program() {
  return sha256_of_file("/proc/self/exe");
}

}  // namespace tutti
