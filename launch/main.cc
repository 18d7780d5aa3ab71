#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "dist/communicator.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "launch/front.h"

namespace {

using tutti::Communicator;
using tutti::ExitCode;

// Logs the exception in flight and returns its exit code.
int report() {
  try {
    throw;
  } catch (const tutti::Error& error) {
    tutti::log::error(error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    tutti::log::error("out of memory: use fewer ranks on this machine, or smaller batches");
    return static_cast<int>(ExitCode::kUsage);
  } catch (const std::exception& error) {
    // libtorch appends a stack trace; the first line says what happened.
    const std::string what = error.what();
    tutti::log::error(fmt::format("{} (this is a bug in tutti)", what.substr(0, what.find('\n'))));
  } catch (...) {
    tutti::log::error("an unknown exception (this is a bug in tutti)");
  }
  return static_cast<int>(ExitCode::kBug);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  std::unique_ptr<Communicator> comm;
  try {
    tutti::log::init(0, 1);
    comm = tutti::make_communicator_from_environment();
    tutti::log::init(comm->rank(), comm->size());
    const int code = tutti::launch::run_front(args, *comm);
    std::fflush(stdout);
    return code;
  } catch (...) {
    std::fflush(stdout);
    if (comm == nullptr || comm->size() == 1) return report();
    // Bad input is seen by all ranks at once. Rank 0 speaks first and its abort ends the others, so
    // that the user reads one line; an error of another rank alone is still reported.
    if (!comm->is_root()) std::this_thread::sleep_for(std::chrono::seconds(1));
    comm->abort(report());
  }
}
