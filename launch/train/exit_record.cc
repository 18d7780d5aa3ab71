#include "launch/train/exit_record.h"

#include <exception>
#include <fstream>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/files.h"
#include "dist/runtime/log.h"
#include "dist/runtime/process.h"

namespace tutti::launch {
namespace {

constexpr size_t kWordChars = 16;

}  // namespace

ExitRecord::ExitRecord(std::filesystem::path run, int rank, int world_size)
    : run_(std::move(run)), rank_(rank), world_size_(world_size) {}

void ExitRecord::begin(Communicator& comm, int64_t step) {
  std::string word(kWordChars, '\0');
  if (comm.is_root()) {
    std::random_device random;
    word = fmt::format("{:08x}{:08x}", random(), random());
    start_ = word;
    try {
      replace(-1, "running", step, "");
    } catch (const std::exception& error) {
      log::warn(error.what());
    }
  }
  // Behind the record: whoever knows the word finds it there.
  comm.broadcast(word.data(), std::ssize(word), 0);
  start_ = word;
}

void ExitRecord::write(int code, const std::string& reason, int64_t step,
                       const std::string& message) const noexcept {
  try {
    if (is_of_this_start()) {
      replace(code, reason, step, message);
    } else {
      log::warn(fmt::format("{}/exit.json is of another start: the end of this one is not recorded",
                            run_.string()));
    }
  } catch (const std::exception& error) {
    log::warn(fmt::format("cannot write {}/exit.json: {}", run_.string(), error.what()));
  }
}

void ExitRecord::replace(int code, const std::string& reason, int64_t step,
                         const std::string& message) const {
  nlohmann::json record = {{"code", code},       {"reason", reason}, {"step", step},
                           {"rank", rank_},      {"start", start_},  {"world_size", world_size_},
                           {"host", host_name()}};
  if (!message.empty()) record["message"] = message;
  const auto aside = run_ / fmt::format(".exit.json.{}", rank_);
  write_file(aside, record.dump(2) + "\n");
  std::filesystem::rename(aside, run_ / "exit.json");
}

bool ExitRecord::is_of_this_start() const {
  std::ifstream file(run_ / "exit.json");
  const auto record = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  return !start_.empty() && record.is_object() && record.value("start", "") == start_;
}

}  // namespace tutti::launch
