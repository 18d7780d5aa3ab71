#include "dist/together.h"

#include <array>
#include <exception>
#include <string>

#include "dist/runtime/errors.h"

namespace tutti {

void run_together(Communicator& comm, const std::function<void()>& work) {
  std::exception_ptr failure;
  std::string message;
  ExitCode code = ExitCode::kBug;
  try {
    work();
  } catch (const Error& error) {
    failure = std::current_exception();
    message = error.what();
    code = error.code();
  } catch (const std::exception& error) {
    failure = std::current_exception();
    message = error.what();
  }
  int64_t first = failure ? comm.rank() : comm.size();
  comm.all_reduce(&first, 1, DType::kInt64, ReduceOp::kMin);
  if (first == comm.size()) return;
  const int root = static_cast<int>(first);
  std::array<int64_t, 2> header = {static_cast<int64_t>(code), std::ssize(message)};
  comm.broadcast(header.data(), sizeof(header), root);
  message.resize(static_cast<size_t>(header[1]));
  comm.broadcast(message.data(), header[1], root);
  if (comm.rank() == root) std::rethrow_exception(failure);
  throw Error(static_cast<ExitCode>(header[0]), message);
}

}  // namespace tutti
