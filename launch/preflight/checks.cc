#include "launch/preflight/checks.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <span>

#include <fmt/format.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/files.h"

namespace tutti::launch {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using nlohmann::json;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Takes over the first problem that a rank reports under "problem", and all ranks that have one.
void take_problems(const std::vector<json>& found, ExitCode code, CheckResult* result) {
  for (size_t rank = 0; rank < found.size(); ++rank) {
    const std::string problem = found[rank].value("problem", "");
    if (problem.empty()) continue;
    if (result->ranks.empty()) {
      result->code = code;
      result->problem = fmt::format("rank {}: {}", rank, problem);
    }
    result->ranks.push_back(static_cast<int>(rank));
  }
}

// The nearest folder above a path that is there.
fs::path existing_parent(fs::path path) {
  path = fs::absolute(path);
  while (!fs::exists(path) && path.has_parent_path()) path = path.parent_path();
  return path;
}

}  // namespace

std::vector<json> gather_json(Communicator& comm, const json& mine) {
  const std::string text = mine.dump();
  const int64_t size = std::ssize(text);
  const std::vector<int64_t> sizes = comm.all_gather(std::span(&size, 1));
  const std::vector<char> all = comm.all_gather(std::span(text.data(), text.size()));
  std::vector<json> documents;
  int64_t first = 0;
  for (const int64_t n : sizes) {
    documents.push_back(json::parse(all.begin() + first, all.begin() + first + n));
    first += n;
  }
  return documents;
}

CheckResult check_same(Communicator& comm, const std::vector<fs::path>& artefacts) {
  json mine;
  mine["program"] = sha256_of_file("/proc/self/exe");
  for (const fs::path& path : artefacts) {
    std::error_code error;
    const fs::path manifest = path / "manifest.json";
    mine[path.string()] = fs::exists(manifest, error) ? sha256_of_file(manifest) : "not there";
  }
  const std::vector<json> found = gather_json(comm, mine);
  CheckResult result{.name = "the same program and artefacts on all ranks",
                     .problem = "",
                     .measured = found[0],
                     .ranks = {}};
  for (size_t rank = 1; rank < found.size(); ++rank) {
    for (const auto& [what, value] : found[rank].items()) {
      const auto others = found[0].at(what).get<std::string>();
      const auto own = value.get<std::string>();
      if (own == others) continue;
      if (result.ranks.empty()) {
        result.code = ExitCode::kUsage;
        result.problem = fmt::format("{}: {} on rank {}, {} on rank 0", what, own.substr(0, 12),
                                     rank, others.substr(0, 12));
      }
      if (result.ranks.empty() || result.ranks.back() != static_cast<int>(rank))
        result.ranks.push_back(static_cast<int>(rank));
    }
  }
  return result;
}

CheckResult check_artefacts(Communicator& comm, const std::vector<fs::path>& artefacts) {
  const Clock::time_point start = Clock::now();
  int64_t bytes = 0, number = 0;
  json mine = json::object();
  try {
    for (const fs::path& path : artefacts) {
      std::ifstream in(path / "manifest.json");
      const json document = json::parse(in, nullptr, /*allow_exceptions=*/false);
      const std::string kind = document.is_object() ? document.value("kind", "") : "";
      const Manifest manifest = read_manifest(path, kind.empty() ? "dataset" : kind);
      for (const auto& [name, entry] : manifest.files) {
        if (!std::ifstream(path / name)) {
          throw DataError(Problem{(path / name).string(), "", "a file that cannot be read", "",
                                  "check its permissions"});
        }
        if (number++ % comm.size() != comm.rank()) continue;
        Manifest one = manifest;
        one.files = {{name, entry}};
        verify_files(path, one);
        bytes += entry.bytes;
      }
    }
  } catch (const Error& error) {
    mine["problem"] = error.what();
  }
  const double seconds = seconds_since(start);
  const std::vector<json> found = gather_json(comm, mine);
  const int64_t total = comm.sum(bytes);
  CheckResult result{
      .name = "every byte of the artefacts",
      .problem = "",
      .measured = {{"files", number},
                   {"bytes", total},
                   {"seconds",
                    static_cast<double>(comm.max(static_cast<int64_t>(seconds * 1e3))) * 1e-3}},
      .ranks = {}};
  take_problems(found, ExitCode::kBadData, &result);
  return result;
}

CheckResult check_storage(Communicator& comm, const fs::path& out, int64_t need_mib) {
  const fs::path folder = existing_parent(out);
  json mine = {{"folder", folder.string()}};
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) == 0) {
    mine["free_mib"] = static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize) /
                       (int64_t{1} << 20);
    mine["free_inodes"] = static_cast<int64_t>(space.f_favail);
  }
  const fs::path probe = folder / fmt::format(".preflight-{}-{}", comm.rank(), ::getpid());
  try {
    write_file(probe, std::string(1 << 20, 'x'));
    sync_to_disk(probe);
  } catch (const Error& error) {
    mine["problem"] = error.what();
  }
  std::error_code ignored;
  fs::remove(probe, ignored);
  const bool is_short = mine.value("free_mib", int64_t{0}) < need_mib;
  // Some file systems make inodes as they are needed, and say that there are none.
  const bool has_inodes = space.f_files == 0 || space.f_favail >= 100;
  if (!mine.contains("problem") && (is_short || !has_inodes)) {
    mine["problem"] = fmt::format("{}: {} MiB and {} inodes left, expected {} MiB and 100 inodes",
                                  folder.string(), mine.value("free_mib", int64_t{0}),
                                  mine.value("free_inodes", int64_t{0}), need_mib);
  }
  const std::vector<json> found = gather_json(comm, mine);
  CheckResult result{.name = "room for checkpoints", .problem = "", .measured = found, .ranks = {}};
  take_problems(found, ExitCode::kStorage, &result);
  return result;
}

CheckResult check_all_reduce(Communicator& comm, int64_t bucket_bytes, double least_gb_per_s,
                             double seconds) {
  const int64_t n = std::max<int64_t>(1, bucket_bytes / static_cast<int64_t>(sizeof(float)));
  const auto size = static_cast<double>(comm.size());
  std::vector<float> values(static_cast<size_t>(n));
  json mine = json::object();
  std::vector<double> rates;
  const Clock::time_point start = Clock::now();
  for (int round = 0; round < 3 || comm.max(seconds_since(start) < seconds ? 1 : 0) != 0; ++round) {
    // Whole numbers that fp32 adds without rounding.
    const auto value = [round](int rank, int64_t i) {
      return static_cast<float>((rank + 1) * (i % 61 + round % 7));
    };
    for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i)] = value(comm.rank(), i);
    comm.barrier();
    const Clock::time_point begin = Clock::now();
    comm.all_reduce_sum(std::span(values));
    const double took = seconds_since(begin);
    rates.push_back(static_cast<double>(bucket_bytes) * 2 * (size - 1) / size / took * 1e-9);
    const int ranks = comm.size() * (comm.size() + 1) / 2;
    for (int64_t i = 0; i < n && !mine.contains("problem"); ++i) {
      const float expected = value(ranks - 1, i);
      if (values[static_cast<size_t>(i)] == expected) continue;
      mine["problem"] = fmt::format("element {} of an all-reduce is {}, expected {}", i,
                                    values[static_cast<size_t>(i)], expected);
    }
  }
  std::nth_element(rates.begin(), rates.begin() + std::ssize(rates) / 2, rates.end());
  mine["gb_per_s"] = rates[rates.size() / 2];
  const std::vector<json> found = gather_json(comm, mine);
  double slowest = found[0].at("gb_per_s");
  for (const json& one : found) slowest = std::min(slowest, one.at("gb_per_s").get<double>());
  CheckResult result{.name = "all-reduce",
                     .problem = "",
                     .measured = {{"bucket_bytes", bucket_bytes}, {"bus_gb_per_s", slowest}},
                     .ranks = {}};
  take_problems(found, ExitCode::kPeerLost, &result);
  if (result.problem.empty() && comm.size() > 1 && slowest < least_gb_per_s) {
    result.code = ExitCode::kPeerLost;
    result.problem = fmt::format(
        "{:.2f} GB/s, expected {} or more: see the interface (btl_tcp_if_include) and "
        "binding",
        slowest, least_gb_per_s);
  }
  return result;
}

CheckResult check_speed(Communicator& comm) {
  constexpr double kTooSlow = 2;  // times the median
  std::vector<float> values(1 << 20, 1.0F);
  std::vector<double> times;
  comm.barrier();
  for (int round = 0; round < 15; ++round) {
    const Clock::time_point start = Clock::now();
    for (float& value : values) value = value * 0.999F + 0.001F;
    times.push_back(seconds_since(start));
  }
  std::nth_element(times.begin(), times.begin() + std::ssize(times) / 2, times.end());
  const double mine = times[times.size() / 2] * 1e3;
  const std::vector<double> all = comm.all_gather(std::span(&mine, 1));
  std::vector<double> sorted = all;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[(sorted.size() - 1) / 2];
  const auto slowest = std::max_element(all.begin(), all.end());
  CheckResult result{.name = "speed of the ranks",
                     .problem = "",
                     .measured = {{"ms", all}, {"slowest_rank", slowest - all.begin()}},
                     .ranks = {}};
  if (*slowest > kTooSlow * median) {
    result.code = ExitCode::kPeerLost;
    result.problem = fmt::format("rank {} needs {:.1f} times what the median rank needs",
                                 slowest - all.begin(), *slowest / median);
    result.ranks.push_back(static_cast<int>(slowest - all.begin()));
  }
  return result;
}

}  // namespace tutti::launch
