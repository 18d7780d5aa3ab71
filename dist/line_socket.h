#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tutti {

// A TCP connection that carries lines.
class LineSocket {
 public:
  explicit LineSocket(int fd = -1) : fd_(fd) {}
  ~LineSocket();
  LineSocket(LineSocket&& other) noexcept;
  LineSocket& operator=(LineSocket&& other) noexcept;

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Never waits: a peer that reads nothing for so long that buffers are full is as good as lost,
  // and is found out by its silence.
  void send(const std::string& line) const;
  // The lines that have arrived. `closed`: the other side has gone.
  std::vector<std::string> receive(bool* closed);
  void close();

 private:
  int fd_;
  std::string partial_;
};

// Waits for connections on a port of the system's choice, on all IPv4 addresses.
class LineListener {
 public:
  LineListener();  // PeerLostError when the system has no port
  uint16_t port() const { return port_; }
  // Nothing when none came in time.
  std::optional<LineSocket> accept(std::chrono::milliseconds patience);

 private:
  LineSocket socket_;
  uint16_t port_ = 0;
};

// The IPv4 addresses of this machine, those of networks first, loopback last.
std::vector<std::string> own_addresses();

// Nothing when it cannot be made in time.
std::optional<LineSocket> connect_to(const std::string& address, uint16_t port,
                                     std::chrono::milliseconds patience);

}  // namespace tutti
