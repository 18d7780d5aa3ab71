#include <unistd.h>

#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/synth/synthesize.h"
#include "tests/mpi/world.h"

namespace tutti::data {
namespace {

using test::world;

// A folder that all ranks name alike.
std::filesystem::path shared_folder(Communicator& comm) {
  auto number = static_cast<int64_t>(::getpid());
  comm.broadcast(&number, sizeof(number), 0);
  return std::filesystem::path(testing::TempDir()) / fmt::format("tutti-synth-mpi-{}", number);
}

TEST(SynthesizeOverMpi, WritesTheBytesThatOneRankWrites) {
  Communicator& comm = world();
  const auto folder = shared_folder(comm);
  SynthOptions listeners;
  listeners.num_playlists = 1'100;
  listeners.num_titles = 200;
  const auto make = [&](const std::string& out, Communicator& ranks, int threads) {
    ThreadPool pool(threads);
    return synthesize(CatalogOptions{.num_tracks = 700}, listeners,
                      {.out = folder / out,
                       .split = {},
                       .comm = ranks,
                       .pool = pool,
                       .playlists_per_shard = 100})
        .manifest;
  };
  const Manifest one_thread = make("all ranks", comm, 1), two_threads = make("again", comm, 2);
  EXPECT_EQ(one_thread.hash, two_threads.hash);
  if (comm.is_root()) {
    const auto single = make_single_communicator();
    const Manifest alone = make("rank 0", *single, 1);
    EXPECT_EQ(one_thread.hash, alone.hash);
    EXPECT_EQ(one_thread.counts, alone.counts);
    EXPECT_EQ(alone.counts.at("shards").size(), 11U);
    verify_files(folder / "all ranks", one_thread);
  }
  comm.barrier();
  std::error_code ignored;
  if (comm.is_root()) std::filesystem::remove_all(folder, ignored);
}

}  // namespace
}  // namespace tutti::data
