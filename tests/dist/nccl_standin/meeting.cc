#include "tests/dist/nccl_standin/meeting.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace standin {

Meeting::Meeting(const std::string& name, int rank, int size)
    : name_(name), rank_(rank), size_(size) {
  // Who comes first makes it; fresh memory is zero.
  const int file = shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, sizeof(Table)) != 0) std::abort();
  void* memory = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) std::abort();
  table_ = static_cast<Table*>(memory);
}

Meeting::~Meeting() {
  munmap(table_, sizeof(Table));
  forget_name();
}

void Meeting::forget_name() {
  if (rank_ == 0) shm_unlink(name_.c_str());
}

bool Meeting::arrive_and_wait(const std::atomic<bool>& given_up) {
  ++table_->arrivals;
  ++rounds_;
  while (table_->arrivals < rounds_ * size_) {
    if (given_up) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  forget_name();  // all have it
  return true;
}

}  // namespace standin
