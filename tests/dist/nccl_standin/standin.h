#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <string>
#include <vector>

// What tests, and the NCCL stand-in, may ask of the CUDA stand-in beyond CUDA's own interface.
//
// Environment variables, read when a call needs them:
//   STANDIN_DEVICES        CUDA devices of this machine (default 8)
//   STANDIN_CUDA_VERSION   of cudaRuntimeGetVersion (default: as compiled)
//   STANDIN_NCCL_VERSION   of ncclGetVersion (default: as compiled)
//   STANDIN_FAIL_RANK, STANDIN_FAIL_AT   that rank's collective of that number (from 1) fails:
//   STANDIN_FAIL_HOW       error: asynchronously, with ncclRemoteError, on that rank
//                          hang: it never starts there
//                          stuck: as error, and ncclCommAbort never returns
//                          init: ncclCommInitRankConfig never completes there
namespace standin {

// Every call so far of this process, in order: "ncclAllReduce 1000", "cudaEventRecord comm", ...
// Streams are named "default" and "comm" (any other), and "serial" when made without
// cudaStreamNonBlocking.
std::vector<std::string> calls();
void clear_calls();
void record(const std::string& call);

// Queues work in a stream, as a kernel launch does.
void launch(cudaStream_t stream, std::function<void()> work);

}  // namespace standin
