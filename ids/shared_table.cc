#include "ids/shared_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "ids/huge_pages.h"

namespace tutti::ids {
namespace {

constexpr int64_t kLargePageBytes = int64_t{2} << 20;

// Where rank 0's memory is found, and what tells that it is rank 0's. All zeros: there is none.
struct Address {
  int64_t process = 0, file = 0, token = 0;
  std::array<char, 64> machine{};
};

std::array<char, 64> this_machine() {
  std::array<char, 64> id{};
  std::ifstream("/proc/sys/kernel/random/boot_id").read(id.data(), id.size() - 1);
  return id;
}

// Anonymous memory with a file descriptor: nothing is left behind, however the job ends.
int create_memory(int64_t num_bytes, int64_t token) {
  const int file = memfd_create("tutti-table", MFD_CLOEXEC);
  if (file < 0) return -1;
  if (ftruncate(file, num_bytes) == 0 &&
      pwrite(file, &token, sizeof(token), 0) == static_cast<ssize_t>(sizeof(token))) {
    return file;
  }
  close(file);
  return -1;
}

int open_memory(const Address& address, int64_t num_bytes) {
  if (address.token == 0 || address.machine != this_machine()) return -1;
  const auto path = fmt::format("/proc/{}/fd/{}", address.process, address.file);
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return -1;
  struct stat status {};
  int64_t token = 0;
  if (fstat(file, &status) == 0 && status.st_size == num_bytes &&
      pread(file, &token, sizeof(token), 0) == static_cast<ssize_t>(sizeof(token)) &&
      token == address.token) {
    return file;
  }
  close(file);
  return -1;
}

// Maps the file where large pages can start, so that they can be used for all of it.
void* map_aligned(int file, int64_t num_bytes) {
  const int64_t reserved_bytes = num_bytes + kLargePageBytes;
  void* reserved =
      mmap(nullptr, reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  auto* begin = static_cast<char*>(reserved);
  const auto misplaced = static_cast<int64_t>(reinterpret_cast<uintptr_t>(begin) % kLargePageBytes);
  char* aligned = begin + (misplaced == 0 ? 0 : kLargePageBytes - misplaced);
  void* memory = mmap(aligned, num_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
  // What lies before and behind goes back; all of it when the file could not be mapped.
  if (memory == MAP_FAILED) {
    munmap(reserved, reserved_bytes);
    return MAP_FAILED;
  }
  if (aligned > begin) munmap(begin, aligned - begin);
  constexpr int64_t kPageBytes = 4096;
  char* end = aligned + (num_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  munmap(end, begin + reserved_bytes - end);
  return memory;
}

// Systems give shared memory small pages (shmem_enabled is "never" by default): half a million
// faults for a table of two gigabytes, in the first epoch, and more work for the page table ever
// after. Asking for large pages at once works whatever that setting is, since Linux 6.1. An advice:
// elsewhere pages stay small.
void collapse_pages(void* memory, int64_t num_bytes) {
#ifdef MADV_HUGEPAGE
  madvise(memory, num_bytes, MADV_HUGEPAGE);
  constexpr int kCollapse = 25;  // MADV_COLLAPSE, which the headers of older systems do not have
  auto* bytes = static_cast<volatile char*>(memory);
  for (int64_t at = 0; at + kLargePageBytes <= num_bytes; at += kLargePageBytes) {
    bytes[at] = 0;  // a page that holds nothing at all is passed over
    if (madvise(static_cast<char*>(memory) + at, kLargePageBytes, kCollapse) != 0) return;
  }
#endif
}

// The same memory on every rank, or nothing on any.
std::span<float> map_together(int64_t size, Communicator& comm) {
  const int64_t num_bytes = size * static_cast<int64_t>(sizeof(float));
  Address address;
  int file = -1;
  if (comm.is_root()) {
    const int64_t token = std::chrono::steady_clock::now().time_since_epoch().count() | 1;
    file = create_memory(num_bytes, token);
    if (file >= 0) address = {getpid(), file, token, this_machine()};
  }
  comm.broadcast(&address, sizeof(address), 0);
  if (!comm.is_root()) file = open_memory(address, num_bytes);
  void* memory = MAP_FAILED;
  if (file >= 0) {
    memory = map_aligned(file, num_bytes);
  }
  int64_t mapped = memory == MAP_FAILED ? 0 : 1;
  comm.all_reduce(&mapped, 1, DType::kInt64, ReduceOp::kMin);
  if (file >= 0) close(file);  // everyone has it, or nobody will
  if (mapped == 0) {
    if (memory != MAP_FAILED) munmap(memory, num_bytes);
    return {};
  }
  if (comm.is_root()) {
    std::memset(memory, 0, sizeof(int64_t));  // the token
    collapse_pages(memory, num_bytes);
  }
  comm.barrier();
  return {static_cast<float*>(memory), static_cast<size_t>(size)};
}

}  // namespace

SharedTable::SharedTable(int64_t dim, std::vector<int64_t> split, Communicator& comm)
    : dim_(dim), rank_(comm.rank()), split_(std::move(split)) {
  const int64_t size = num_rows() * dim;
  constexpr int64_t kWorthSharing = 2;  // floats: room for the token
  if (comm.size() > 1 && size >= kWorthSharing) values_ = map_together(size, comm);
  if (!values_.empty()) return;
  copy_ = large_table(size);
  values_ = copy_;
}

SharedTable::~SharedTable() {
  if (copy_.empty() && !values_.empty()) munmap(values_.data(), values_.size_bytes());
}

SharedTable::SharedTable(SharedTable&& other) noexcept {
  *this = std::move(other);
}

SharedTable& SharedTable::operator=(SharedTable&& other) noexcept {
  std::swap(dim_, other.dim_);
  std::swap(rank_, other.rank_);
  std::swap(split_, other.split_);
  std::swap(values_, other.values_);
  std::swap(copy_, other.copy_);
  return *this;
}

std::span<float> SharedTable::own_values() {
  return values_.subspan(split_[rank_] * dim_, (split_[rank_ + 1] - split_[rank_]) * dim_);
}

Range SharedTable::even_share(int64_t block) const {
  const int num_ranks = static_cast<int>(split_.size()) - 1;
  if (copy_.empty() && num_ranks > 0) return owned_range(num_rows(), block, rank_, num_ranks);
  return {split_[rank_], split_[rank_ + 1]};
}

int64_t SharedTable::bytes_of_another_rank() const {
  return copy_.empty() && rank_ > 0 ? static_cast<int64_t>(values_.size_bytes()) : 0;
}

void SharedTable::share_own_rows(Communicator& comm) {
  if (copy_.empty()) {
    comm.barrier();
  } else {
    comm.all_gather_rows(values_.data(), dim_ * static_cast<int64_t>(sizeof(float)), split_);
  }
}

void SharedTable::share_from_root(Communicator& comm) {
  if (copy_.empty()) {
    comm.barrier();
  } else {
    comm.broadcast(values_.data(), static_cast<int64_t>(values_.size_bytes()), 0);
  }
}

}  // namespace tutti::ids
