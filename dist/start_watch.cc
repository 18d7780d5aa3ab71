#include "dist/start_watch.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/runtime/process.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

double seconds(milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

// The first of these variables that holds a number.
int number_of(std::initializer_list<const char*> variables, int otherwise) {
  for (const char* variable : variables) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    const std::string_view text = value;
    int number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem == std::errc() && end == text.data() + text.size()) return number;
  }
  return otherwise;
}

// The same for all ranks of the job on this node, and for no other job.
std::string job_name() {
  std::string name;
  for (const char* variable : {"PMIX_NAMESPACE", "SLURM_JOB_ID", "SLURM_STEP_ID"}) {
    if (const char* value = std::getenv(variable)) name += fmt::format("-{}", value);
  }
  if (name.empty()) name = fmt::format("-{}", ::getppid());
  std::replace(name.begin(), name.end(), '/', '_');
  return fmt::format("tutti-start-{}{}", ::getuid(), name);
}

}  // namespace

StartWatchOptions StartWatchOptions::from_environment(int num_tasks) {
  StartWatchOptions options;
  options.rank = number_of({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}, -1);
  options.local_rank =
      number_of({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}, -1);
  options.local_size = number_of({"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}, 0);
  const int limit = number_of({"TUTTI_MPI_START_LIMIT"}, 300);
  options.limit = milliseconds(1000 * std::max(1, limit));
  options.silence = std::min(options.silence, options.limit);
  options.on_loss = [](const std::string& loss) {
    log::error(loss);
    std::_Exit(static_cast<int>(ExitCode::kPeerLost));
  };
  std::error_code none;
  const fs::path temp = fs::temp_directory_path(none);
  if (num_tasks > 1 && options.rank >= 0 && options.local_rank >= 0 && !temp.empty())
    options.folder = temp / job_name();
  return options;
}

struct StartWatch::Impl {
  explicit Impl(StartWatchOptions given) : options(std::move(given)) {
    std::error_code ignored;
    fs::create_directories(options.folder, ignored);
    own = options.folder / std::to_string(options.local_rank);
    std::ofstream(own) << options.rank << ' ' << ::getpid() << '\n';
    // Signals are for the threads that computed before.
    sigset_t all, former;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    thread = std::thread([this] { watch(); });
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      leaving = true;
    }
    changed.notify_all();
    thread.join();
    std::error_code ignored;
    fs::remove(own, ignored);
    fs::remove(options.folder, ignored);  // the last one
  }

  struct Peer {
    int rank = -1, pid = 0;
    fs::file_time_type touched;
    Clock::time_point heard = Clock::now();
  };

  // Takes note of who is there; gives back the line that names who is silent.
  std::string look() {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options.folder, error)) {
      const std::string name = entry.path().filename().string();
      int local_rank = 0;
      std::from_chars(name.data(), name.data() + name.size(), local_rank);
      const auto touched = fs::last_write_time(entry.path(), error);
      if (error || local_rank == options.local_rank) continue;
      Peer& peer = peers[local_rank];
      if (peer.rank < 0) std::ifstream(entry.path()) >> peer.rank >> peer.pid;
      if (std::exchange(peer.touched, touched) != touched) {
        peer.heard = Clock::now();
      } else if (seconds_since(peer.heard) > seconds(options.silence)) {
        return fmt::format(
            "rank {} on {} (process {}) is lost: silent for {:.1f} s, so frozen; last seen in the "
            "start of MPI, where rank {} waits",
            peer.rank, host_name(), peer.pid, seconds_since(peer.heard), options.rank);
      }
    }
    return "";
  }

  std::string late() const {
    std::vector<int> missing;
    for (int r = 0; r < options.local_size; ++r) {
      if (r != options.local_rank && !peers.contains(r)) missing.push_back(r);
    }
    if (missing.empty()) {
      return fmt::format(
          "MPI has not started within {} s, and all ranks of {} that are known are waiting in it: "
          "a rank of another node is lost, see what that node says",
          seconds(options.limit), host_name());
    }
    return fmt::format(
        "MPI has not started within {} s: of the {} ranks on {} the local rank(s) {} have not come "
        "to it; rank {} waits",
        seconds(options.limit), options.local_size, host_name(), fmt::join(missing, ", "),
        options.rank);
  }

  void watch() {
    const Clock::time_point start = Clock::now();
    Clock::time_point looked = start;
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, options.beat, [this] { return leaving; })) {
      std::error_code ignored;
      fs::last_write_time(own, fs::file_time_type::clock::now(), ignored);
      // Who was frozen itself cannot judge the others' silence.
      if (seconds_since(looked) > std::max(2 * seconds(options.beat), seconds(options.silence) / 2))
        for (auto& [local_rank, peer] : peers) peer.heard = Clock::now();
      looked = Clock::now();
      std::string loss = look();
      if (loss.empty() && seconds_since(start) > seconds(options.limit)) loss = late();
      if (loss.empty()) continue;
      options.on_loss(loss);
      return;
    }
  }

  const StartWatchOptions options;
  fs::path own;
  std::map<int, Peer> peers;  // by local rank; those that came and went too
  std::mutex mutex;
  std::condition_variable changed;
  bool leaving = false;
  std::thread thread;
};

StartWatch::StartWatch(StartWatchOptions options) {
  if (!options.folder.empty()) impl_ = std::make_unique<Impl>(std::move(options));
}

StartWatch::~StartWatch() = default;

}  // namespace tutti
