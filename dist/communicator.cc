#include "dist/communicator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "dist/launcher.h"
#include "dist/runtime/errors.h"

namespace tutti {
namespace {

class SingleCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }

  void all_reduce(void* /*data*/, int64_t count, DType /*type*/, ReduceOp /*op*/) override {
    TUTTI_CHECK(count >= 0);
  }

  void broadcast(void* /*data*/, int64_t num_bytes, int root) override {
    TUTTI_CHECK(num_bytes >= 0 && root == 0);
  }

  void all_gather_bytes(const void* mine, void* all, std::span<const int64_t> counts) override {
    TUTTI_CHECK(counts.size() == 1 && counts[0] >= 0);
    if (mine != all && counts[0] > 0) std::memcpy(all, mine, static_cast<size_t>(counts[0]));
  }

  void barrier() override {}

  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }
};

}  // namespace

int64_t size_of(DType type) {
  return type == DType::kInt32 || type == DType::kFloat32 ? 4 : 8;
}

void Communicator::all_gather_rows(void* rows, int64_t row_bytes, std::span<const int64_t> split) {
  TUTTI_CHECK(std::ssize(split) == size() + 1);
  std::vector<int64_t> counts;
  for (size_t r = 0; r + 1 < split.size(); ++r) {
    TUTTI_CHECK(split[r] <= split[r + 1]);
    counts.push_back((split[r + 1] - split[r]) * row_bytes);
  }
  auto* bytes = static_cast<std::byte*>(rows);
  all_gather_bytes(bytes + split[static_cast<size_t>(rank())] * row_bytes,
                   bytes + split[0] * row_bytes, counts);
}

// For back ends that cannot overlap: the work is done at the start.

void Communicator::start_all_reduce_sum(float* data, int64_t count) {
  all_reduce(data, count, DType::kFloat32, ReduceOp::kSum);
}

void Communicator::start_reduce_scatter_sum(float* data, std::span<const int64_t> split) {
  TUTTI_CHECK(std::ssize(split) == size() + 1);
  all_reduce(data + split.front(), split.back() - split.front(), DType::kFloat32, ReduceOp::kSum);
}

void Communicator::start_all_gather(float* data, std::span<const int64_t> split) {
  all_gather_rows(data, sizeof(float), split);
}

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

std::unique_ptr<Communicator> make_communicator_from_environment() {
  return detect_launcher() ? make_mpi_communicator() : make_single_communicator();
}

Range owned_range(int64_t n, int64_t block, int rank, int size) {
  TUTTI_CHECK(n >= 0 && block > 0 && size > 0 && rank >= 0 && rank < size);
  const int64_t num_blocks = n / block + (n % block != 0);
  const int64_t each = num_blocks / size, left_over = num_blocks % size;
  auto start_of = [&](int64_t r) {
    const int64_t first_block = r * each + std::min(r, left_over);
    return first_block >= num_blocks ? n : first_block * block;
  };
  return {start_of(rank), start_of(rank + 1)};
}

std::vector<int64_t> owned_splits(int64_t n, int64_t block, int size) {
  std::vector<int64_t> split;
  split.reserve(static_cast<size_t>(size) + 1);
  for (int r = 0; r < size; ++r) split.push_back(owned_range(n, block, r, size).first);
  split.push_back(n);
  return split;
}

}  // namespace tutti
