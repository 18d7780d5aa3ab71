#include "dist/watchdog.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/call_trace.h"
#include "dist/line_socket.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/process.h"
#include "dist/together.h"

namespace tutti {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kLook(100);
constexpr milliseconds kConnectPatience(2000);
constexpr std::chrono::seconds kWelcome(10), kAllConnected(60);

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

// What a rank says of itself.
struct State {
  int64_t step = 0, calls = 0;
  std::string phase = "start-up", call;  // call: empty between collectives
  double overdue_after = 0;              // 0: in time; else the limit that has passed

  std::string where() const {
    std::string text = phase == "start-up" ? phase : fmt::format("{} {}", phase, step);
    return text + (call.empty() ? ", in no collective" : ", in " + call);
  }
};

json to_json(const State& s) {
  return {{"step", s.step},
          {"calls", s.calls},
          {"phase", s.phase},
          {"call", s.call},
          {"overdue_after", s.overdue_after}};
}

State state_from(const json& line) {
  return {.step = line.value("step", int64_t{0}),
          .calls = line.value("calls", int64_t{0}),
          .phase = line.value("phase", ""),
          .call = line.value("call", ""),
          .overdue_after = line.value("overdue_after", 0.0)};
}

// One that this rank is connected to: every other rank for rank 0, rank 0 for the others.
struct Peer {
  int rank = 0;
  std::string host;
  LineSocket socket;
  Clock::time_point heard = Clock::now();
  State state;
  bool has_left = false;

  std::string name() const { return fmt::format("rank {} on {}", rank, host); }
};

}  // namespace

struct Watchdog::Impl {
  Impl(Communicator& comm, const WatchLimits& limits_in, std::function<void(const std::string&)> fn)
      : rank(comm.rank()), limits(limits_in), on_loss(std::move(fn)) {
    connect(comm);
    // Signals are for the threads that computed before.
    sigset_t all, former;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    thread = std::thread([this] { watch(); });
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
  }

  ~Impl() {
    leaving = true;
    thread.join();
    for (const Peer& peer : peers) peer.socket.send(R"({"bye":true})");
  }

  void connect(Communicator& comm) {
    // Where rank 0 listens, and a word that strangers do not know.
    std::string invitation;
    std::unique_ptr<LineListener> listener;
    run_together(comm, [&] {
      if (!comm.is_root()) return;
      listener = std::make_unique<LineListener>();
      std::random_device random;
      invitation = json{{"host", host_name()},
                        {"addresses", own_addresses()},
                        {"port", listener->port()},
                        {"word", fmt::format("{:08x}{:08x}", random(), random())}}
                       .dump();
    });
    int64_t length = std::ssize(invitation);
    comm.broadcast(&length, sizeof(length), 0);
    invitation.resize(static_cast<size_t>(length));
    comm.broadcast(invitation.data(), length, 0);
    const json at = json::parse(invitation);
    run_together(comm, [&] {
      if (comm.is_root()) {
        accept_all(*listener, at.at("word"), comm.size());
      } else {
        reach_root(at);
      }
    });
  }

  void reach_root(const json& at) {
    std::vector<std::string> addresses = at.at("addresses");
    const std::string host = at.at("host");
    // On one machine the loopback, last in the list, needs no network.
    if (host == host_name()) std::reverse(addresses.begin(), addresses.end());
    for (const std::string& address : addresses) {
      auto socket = connect_to(address, at.at("port"), kConnectPatience);
      if (!socket) continue;
      socket->send(json{{"word", at.at("word")}, {"rank", rank}, {"host", host_name()}}.dump());
      // Another machine may own the address too: the right one answers.
      if (!is_welcomed(*socket)) continue;
      peers.push_back({.rank = 0, .host = host, .socket = std::move(*socket), .state = {}});
      return;
    }
    throw PeerLostError(fmt::format(
        "rank {} on {} cannot reach rank 0 on {} over TCP (tried {}, port {}): open the ports "
        "between the nodes, or train with --no-watchdog",
        rank, host_name(), host, fmt::join(addresses, ", "), at.at("port").get<int>()));
  }

  static bool is_welcomed(LineSocket& socket) {
    const Clock::time_point start = Clock::now();
    while (Clock::now() - start < kWelcome) {
      bool closed = false;
      if (!socket.receive(&closed).empty()) return true;
      if (closed) return false;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }

  void accept_all(LineListener& listener, const std::string& word, int size) {
    std::vector<LineSocket> strangers;
    const Clock::time_point start = Clock::now();
    while (std::ssize(peers) < size - 1 && Clock::now() - start < kAllConnected) {
      if (auto socket = listener.accept(milliseconds(20))) strangers.push_back(std::move(*socket));
      for (LineSocket& socket : strangers) {
        bool closed = false;
        const auto lines = socket.receive(&closed);
        if (lines.empty()) continue;
        const json hello = json::parse(lines[0], nullptr, false);
        if (!hello.is_object() || hello.value("word", "") != word) continue;
        socket.send("{}");
        peers.push_back({.rank = hello.value("rank", -1),
                         .host = hello.value("host", "?"),
                         .socket = std::move(socket),
                         .state = {}});
      }
      std::erase_if(strangers, [](const LineSocket& socket) { return !socket.is_open(); });
    }
    std::sort(peers.begin(), peers.end(),
              [](const Peer& a, const Peer& b) { return a.rank < b.rank; });
    // Who is missing says so by itself.
  }

  double limit_of(Phase p) const {
    switch (p) {
      case Phase::kStartUp:
        return limits.start_up;
      case Phase::kFirstStep:
        return limits.first_step;
      case Phase::kStep:
        return limits.step;
      case Phase::kCheckpoint:
        return limits.checkpoint;
      case Phase::kValidation:
        break;
    }
    return limits.validation;
  }

  static const char* name_of(Phase p) {
    constexpr std::array kNames = {"start-up", "step", "step", "checkpoint of step",
                                   "validation of step"};
    return kNames[static_cast<size_t>(p)];
  }

  State own_state() const {
    const CallTrace trace = call_trace();
    const Phase p = phase;
    const bool is_late = seconds_since(Clock::time_point(Clock::duration(since))) > limit_of(p);
    return {.step = step,
            .calls = trace.num_begun,
            .phase = name_of(p),
            .call = trace.waits_in == nullptr ? "" : trace.waits_in,
            .overdue_after = is_late ? limit_of(p) : 0};
  }

  // Waits for what the peers say, for a moment at most.
  void listen() {
    std::vector<pollfd> fds;
    for (const Peer& peer : peers) {
      if (!peer.has_left) fds.push_back({.fd = peer.socket.fd(), .events = POLLIN, .revents = 0});
    }
    ::poll(fds.data(), fds.size(), static_cast<int>(kLook.count()));
  }

  // What is wrong with a peer, by what it said or did not; empty: nothing.
  std::string hear(Peer& peer) {
    if (peer.has_left) return "";
    bool closed = false;
    for (const std::string& line : peer.socket.receive(&closed)) {
      const json message = json::parse(line, nullptr, false);
      if (!message.is_object()) continue;
      peer.heard = Clock::now();
      if (message.contains("lost")) return message.at("lost").get<std::string>();
      if (message.contains("bye")) peer.has_left = true;
      if (message.contains("phase")) peer.state = state_from(message);
    }
    if (peer.has_left) return "";
    if (closed) {
      return fmt::format("{} is lost: its process ended; last seen in {}", peer.name(),
                         peer.state.where());
    }
    if (seconds_since(peer.heard) > limits.silence) {
      return fmt::format("{} is lost: silent for {:.1f} s, so frozen or cut off; last seen in {}",
                         peer.name(), seconds_since(peer.heard), peer.state.where());
    }
    return "";
  }

  // Rank 0: somebody's phase takes too long. To blame is who has begun the fewest collectives, or
  // has not begun the one that the others are in: they wait for it.
  std::string blame(const State& own) const {
    const auto progress = [](const State& s) { return std::pair(s.calls, !s.call.empty()); };
    std::string name = fmt::format("rank 0 on {}", host_name());
    State slowest = own;
    double limit = own.overdue_after;
    bool is_level = true;
    for (const Peer& peer : peers) {
      if (peer.has_left) continue;
      limit = std::max(limit, peer.state.overdue_after);
      is_level = is_level && progress(peer.state) == progress(own);
      if (progress(peer.state) >= progress(slowest)) continue;
      name = peer.name();
      slowest = peer.state;
    }
    if (limit == 0) return "";
    if (is_level) {
      return fmt::format("the ranks have lost each other: all are in {} for more than {} s",
                         own.where(), limit);
    }
    return fmt::format("{} is lost: it lives, but holds all up for more than {} s; it is in {}",
                       name, limit, slowest.where());
  }

  void watch() {
    Clock::time_point beaten = Clock::now() - std::chrono::hours(1), looked = Clock::now();
    while (!leaving) {
      listen();
      // Who was frozen itself cannot judge the others' silence.
      if (seconds_since(looked) > std::max(2.0, limits.silence / 2)) {
        for (Peer& peer : peers) peer.heard = Clock::now();
      }
      looked = Clock::now();
      const State own = own_state();
      std::string loss;
      for (Peer& peer : peers) {
        if (loss.empty()) loss = hear(peer);
      }
      if (loss.empty() && rank == 0) loss = blame(own);
      if (!loss.empty()) {
        json verdict;
        verdict["lost"] = loss;
        for (const Peer& peer : peers) peer.socket.send(verdict.dump());
        on_loss(fmt::format("{}; this rank, on {}, is in {}", loss, host_name(), own.where()));
        return;
      }
      if (seconds_since(beaten) < limits.beat) continue;
      beaten = Clock::now();
      for (const Peer& peer : peers) peer.socket.send(to_json(own).dump());
    }
  }

  const int rank;
  const WatchLimits limits;
  const std::function<void(const std::string&)> on_loss;
  std::vector<Peer> peers;
  std::atomic<Phase> phase = Phase::kStartUp;
  std::atomic<int64_t> step = 0;
  std::atomic<Clock::rep> since = Clock::now().time_since_epoch().count();
  std::atomic<bool> leaving = false;
  std::thread thread;
};

Watchdog::Watchdog(Communicator& comm, const WatchLimits& limits,
                   std::function<void(const std::string&)> on_loss) {
  if (comm.size() > 1) impl_ = std::make_unique<Impl>(comm, limits, std::move(on_loss));
}

Watchdog::~Watchdog() = default;

void Watchdog::enter(Phase phase, int64_t step) {
  if (impl_ == nullptr) return;
  impl_->since = Clock::now().time_since_epoch().count();
  impl_->step = step;
  impl_->phase = phase;
}

}  // namespace tutti
