#include "dist/line_socket.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tutti {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct Pair {
  LineListener listener;
  LineSocket client, server;
  Pair() {
    client = connect_to("127.0.0.1", listener.port(), 2s).value();
    server = listener.accept(2s).value();
  }
  // What has arrived when `count` lines have, or two seconds have passed.
  std::vector<std::string> lines(size_t count, bool* closed) {
    std::vector<std::string> all;
    for (int i = 0; i < 200 && all.size() < count && !*closed; ++i) {
      for (const std::string& line : server.receive(closed)) all.push_back(line);
      std::this_thread::sleep_for(10ms);
    }
    return all;
  }
};

TEST(LineSocket, CarriesLinesInOrderHoweverTheyAreCut) {
  Pair pair;
  pair.client.send("one");
  pair.client.send(std::string(10000, 'x'));
  ASSERT_EQ(::write(pair.client.fd(), "thr", 3), 3);
  std::this_thread::sleep_for(20ms);
  ASSERT_EQ(::write(pair.client.fd(), "ee\nhalf", 7), 7);
  bool closed = false;
  EXPECT_THAT(pair.lines(3, &closed), ElementsAre("one", std::string(10000, 'x'), "three"));
  EXPECT_FALSE(closed);
}

TEST(LineSocket, SaysThatTheOtherSideHasGoneBehindItsLastLine) {
  Pair pair;
  pair.client.send("last");
  pair.client.close();
  bool closed = false;
  EXPECT_THAT(pair.lines(2, &closed), ElementsAre("last"));
  EXPECT_TRUE(closed);
}

TEST(LineSocket, NeverWaitsForAPeerThatDoesNotRead) {
  Pair pair;
  const std::string line(100000, 'x');
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) pair.client.send(line);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

TEST(LineSocket, GivesNothingWhereNobodyListens) {
  uint16_t port = 0;
  {
    const LineListener gone;
    port = gone.port();
  }
  EXPECT_FALSE(connect_to("127.0.0.1", port, 1s).has_value());
  EXPECT_FALSE(connect_to("no address", port, 1s).has_value());
}

TEST(LineSocket, TheListOfAddressesEndsWithTheLoopback) {
  EXPECT_EQ(own_addresses().back().substr(0, 4), "127.");
}

}  // namespace
}  // namespace tutti
