#include "dist/line_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "dist/runtime/errors.h"

namespace tutti {
namespace {

sockaddr* as_generic(sockaddr_in* address) {
  return reinterpret_cast<sockaddr*>(address);
}

[[noreturn]] void fail(const char* what) {
  throw PeerLostError(std::string("heartbeat: ") + what + ": " +
                      std::generic_category().message(errno));
}

// Waits until the socket can be read or written.
bool is_ready(int fd, int16_t events, std::chrono::milliseconds patience) {
  pollfd one{.fd = fd, .events = events, .revents = 0};
  return ::poll(&one, 1, static_cast<int>(patience.count())) == 1;
}

int prepared(int fd) {
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return fd;
}

}  // namespace

LineSocket::~LineSocket() {
  close();
}

LineSocket::LineSocket(LineSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), partial_(std::move(other.partial_)) {}

LineSocket& LineSocket::operator=(LineSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  partial_ = std::move(other.partial_);
  return *this;
}

void LineSocket::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void LineSocket::send(const std::string& line) const {
  const std::string text = line + '\n';
  if (fd_ >= 0) ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

std::vector<std::string> LineSocket::receive(bool* closed) {
  std::array<char, 4096> buffer{};
  *closed = false;
  while (fd_ >= 0) {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n <= 0) {
      *closed = true;
      break;
    }
    partial_.append(buffer.data(), static_cast<size_t>(n));
  }
  std::vector<std::string> lines;
  for (size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
    lines.push_back(partial_.substr(0, end));
    partial_.erase(0, end + 1);
  }
  return lines;
}

LineListener::LineListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (!socket_.is_open()) fail("cannot make a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  if (::bind(socket_.fd(), as_generic(&address), sizeof(address)) != 0) fail("cannot bind");
  if (::listen(socket_.fd(), SOMAXCONN) != 0) fail("cannot listen");
  socklen_t size = sizeof(address);
  if (::getsockname(socket_.fd(), as_generic(&address), &size) != 0) fail("has no port");
  port_ = ntohs(address.sin_port);
}

std::optional<LineSocket> LineListener::accept(std::chrono::milliseconds patience) {
  if (!is_ready(socket_.fd(), POLLIN, patience)) return std::nullopt;
  const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return std::nullopt;
  return LineSocket(prepared(fd));
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> networks, loopback;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return {"127.0.0.1"};
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0) continue;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    ::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    ((one->ifa_flags & IFF_LOOPBACK) != 0 ? loopback : networks).emplace_back(text.data());
  }
  ::freeifaddrs(all);
  networks.insert(networks.end(), loopback.begin(), loopback.end());
  return networks;
}

std::optional<LineSocket> connect_to(const std::string& address, uint16_t port,
                                     std::chrono::milliseconds patience) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return std::nullopt;
  LineSocket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.is_open()) return std::nullopt;
  if (::connect(made.fd(), as_generic(&to), sizeof(to)) != 0 &&
      (errno != EINPROGRESS || !is_ready(made.fd(), POLLOUT, patience))) {
    return std::nullopt;
  }
  int problem = 0;
  socklen_t size = sizeof(problem);
  ::getsockopt(made.fd(), SOL_SOCKET, SO_ERROR, &problem, &size);
  if (problem != 0) return std::nullopt;
  prepared(made.fd());
  return made;
}

}  // namespace tutti
