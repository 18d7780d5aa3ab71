#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dist/runtime/log.h"
#include "dist/runtime/process.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/preflight/checks.h"
#include "launch/result_file.h"

namespace tutti::launch {

int run_preflight(const std::vector<std::string>& args, Communicator& comm) {
  Options options(
      "preflight",
      "Checks the machines of a job before it trains, on the job's own ranks: the same "
      "program and artefacts everywhere, every byte of them, room for checkpoints, sums "
      "over all ranks and their rate, the slowest rank. Ends with the code that a run "
      "would end with.",
      "mpirun -n 8 tutti preflight --dataset data --ids ids --out run --report "
      "preflight.json");
  std::string dataset, ids, out = ".", report;
  int64_t need_mib = 1024, bucket_kib = 16384;
  double least_gb_per_s = 0;
  options.require("dataset", &dataset, "dataset folder")
      .add("ids", &ids, "ID table folder")
      .add("out", &out, "run folder to be, or any folder on its file system")
      .add("need-mib", &need_mib, "room that checkpoints want, MiB")
      .add("bucket-kib", &bucket_kib, "what one sum carries, as in train")
      .add("least-gb-per-s", &least_gb_per_s, "bus bandwidth of sums, at least; 0: no matter")
      .add("report", &report, "JSON file to write");
  if (!options.parse(args)) return 0;
  require_at_least("--need-mib", need_mib, 0);
  require_at_least("--bucket-kib", bucket_kib, 1);

  const auto start = std::chrono::steady_clock::now();
  std::optional<ResultFile> file;
  if (comm.is_root() && !report.empty()) file.emplace(report);
  std::vector<std::filesystem::path> artefacts = {dataset};
  if (!ids.empty()) artefacts.emplace_back(ids);

  const std::vector<nlohmann::json> hosts = gather_json(comm, host_name());
  const std::vector<CheckResult> results = {
      check_same(comm, artefacts), check_artefacts(comm, artefacts),
      check_storage(comm, out, need_mib), check_all_reduce(comm, bucket_kib << 10, least_gb_per_s),
      check_speed(comm)};

  nlohmann::json document = {{"hosts", hosts}, {"checks", nlohmann::json::array()}};
  std::set<std::string> to_exclude;
  ExitCode code = ExitCode::kDone;
  for (const CheckResult& result : results) {
    if (code == ExitCode::kDone) code = result.code;
    for (const int rank : result.ranks)
      to_exclude.insert(hosts[static_cast<size_t>(rank)].get<std::string>());
    document["checks"].push_back({{"name", result.name},
                                  {"ok", result.problem.empty()},
                                  {"problem", result.problem},
                                  {"ranks", result.ranks},
                                  {"measured", result.measured}});
    if (!comm.is_root()) continue;
    if (result.problem.empty()) {
      std::cout << "ok: " << result.name << '\n';
    } else {
      log::error(fmt::format("{}: {}", result.name, result.problem));
    }
  }
  document["exclude"] = to_exclude;  // hosts, for --exclude of sbatch
  document["code"] = static_cast<int>(code);
  document["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (file) file->commit(document);
  comm.barrier();
  return static_cast<int>(code);
}

}  // namespace tutti::launch
