// A job of a few steps over the NCCL stand-in, which fails as its STANDIN_... variables say (see
// standin.h): for the tests of how such a job ends.
#include <cstdio>
#include <memory>
#include <vector>

#include "dist/nccl_communicator.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "tests/dist/nccl_standin/standin.h"

int main() {
  std::unique_ptr<tutti::Communicator> host;
  try {
    host = tutti::make_communicator_from_environment();
    tutti::log::init(host->rank(), host->size());
    const auto comm = tutti::make_nccl_communicator(*host, {.device = host->local_rank(),
                                                            .module = TUTTI_NCCL_MODULE_PATH,
                                                            .first_limit_s = 3,
                                                            .limit_s = 1,
                                                            .watch_every_s = 0.01,
                                                            .abort_limit_s = 0.5});
    std::vector<float> values(1000, 1);
    for (int step = 1; step <= 4; ++step) {
      comm->set_step(step);
      comm->start_all_reduce_sum(values.data(), 1000);
      comm->wait_for_bulk();
      cudaStreamSynchronize(nullptr);  // where a rank hangs whose peer is lost
    }
    if (comm->is_root()) std::puts("all steps done");
    return 0;
  } catch (const tutti::Error& error) {
    tutti::log::error(error.what());
    const int code = static_cast<int>(error.code());
    if (host) host->abort(code);
    return code;
  }
}
