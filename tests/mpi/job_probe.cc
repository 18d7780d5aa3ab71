// A program that ends in the way its argument says, for the tests of how a job ends.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include <mpi.h>

#include "dist/communicator.h"
#include "dist/mpi_engine.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "tests/support/forbid_reads.h"

namespace {

using namespace std::string_view_literals;

void run(std::string_view way, tutti::Communicator& comm) {
  comm.barrier();
  const bool is_culprit = comm.rank() == 1;
  if (way == "hello"sv) {
    std::printf("rank %d in a world of %d\n", comm.rank(), comm.size());
  } else if (way == "forbidden"sv) {
    std::vector<float> ones(1 << 20, 1.0F);  // too large to go without a copy
    comm.all_reduce_sum(std::span<float>(ones));
    const auto size = static_cast<float>(comm.size());
    const bool is_right = std::ranges::all_of(ones, [&](float sum) { return sum == size; });
    std::printf("rank %d: the sum is %s\n", comm.rank(), is_right ? "right" : "wrong");
  } else if (way == "kill"sv) {
    if (is_culprit) std::raise(SIGKILL);
  } else if (way == "abort"sv) {
    if (is_culprit) comm.abort(static_cast<int>(tutti::ExitCode::kNotFinite));
  } else if (way == "throw"sv) {
    if (is_culprit) throw tutti::DataError("bad row on rank 1");
  } else if (way == "lost"sv) {
    if (is_culprit) tutti::check_mpi(MPI_ERR_OTHER, "MPI_Barrier");
  }
  comm.barrier();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view way = argc > 1 ? argv[1] : "hello";
  std::unique_ptr<tutti::Communicator> comm;
  try {
    tutti::log::init(0, 1);
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    if (way == "absent"sv && rank != nullptr && rank == "1"sv)
      std::this_thread::sleep_for(std::chrono::seconds(60));
    if (way == "forbidden"sv && !tutti::test::forbid_reading_other_processes()) return 1;
    comm = tutti::make_communicator_from_environment();
    run(way, *comm);
  } catch (const tutti::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    const int code = static_cast<int>(e.code());
    if (comm) comm->abort(code);
    return code;
  }
  return 0;
}
