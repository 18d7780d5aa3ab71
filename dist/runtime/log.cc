#include "dist/runtime/log.h"

#include <memory>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace tutti::log {
namespace {

struct Log {
  int rank = 0;
  spdlog::logger logger{"tutti", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
                                     spdlog::color_mode::automatic)};

  Log() { logger.set_pattern("%H:%M:%S %^%-7l%$ %v"); }
};

Log& the_log() {
  static Log log;
  return log;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

spdlog::string_view_t view(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

void init(int rank, int world_size, Level level) {
  Log& log = the_log();
  log.rank = rank;
  log.logger.set_level(to_spdlog(level));
  const std::string prefix = world_size > 1 ? fmt::format("[rank {}/{}] ", rank, world_size) : "";
  log.logger.set_pattern("%H:%M:%S %^%-7l%$ " + prefix + "%v");
}

void debug(std::string_view message) {
  if (the_log().rank == 0) the_log().logger.debug(view(message));
}

void info(std::string_view message) {
  if (the_log().rank == 0) the_log().logger.info(view(message));
}

void all_ranks(std::string_view message) {
  the_log().logger.info(view(message));
}

void warn(std::string_view message) {
  the_log().logger.warn(view(message));
}

void error(std::string_view message) {
  the_log().logger.error(view(message));
}

}  // namespace tutti::log
