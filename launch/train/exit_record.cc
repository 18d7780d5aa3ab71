#include "launch/train/exit_record.h"

#include <unistd.h>

#include <exception>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/files.h"
#include "dist/runtime/log.h"
#include "dist/runtime/process.h"

namespace tutti::launch {

ExitRecord::ExitRecord(std::filesystem::path run, int rank, int world_size)
    : run_(std::move(run)), rank_(rank), world_size_(world_size) {}

void ExitRecord::write(int code, const std::string& reason, int64_t step,
                       const std::string& message) const noexcept {
  try {
    nlohmann::json record = {{"code", code},  {"reason", reason},          {"step", step},
                             {"rank", rank_}, {"world_size", world_size_}, {"host", host_name()}};
    if (!message.empty()) record["message"] = message;
    const auto aside = run_ / fmt::format(".exit.json.{}", rank_);
    write_file(aside, record.dump(2) + "\n");
    std::filesystem::rename(aside, run_ / "exit.json");
  } catch (const std::exception& error) {
    log::warn(fmt::format("cannot write {}/exit.json: {}", run_.string(), error.what()));
  }
}

void ExitRecord::write_running(int64_t step) const noexcept {
  write(-1, "running", step);
}

}  // namespace tutti::launch
