#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace standin {

// Where the ranks of one communicator meet: a piece of shared memory that each maps. A round: every
// rank puts a piece of data into its slot, all see all slots, all have looked.
class Meeting {
 public:
  static constexpr int64_t kSlotBytes = 1 << 16;
  static constexpr int kMaxRanks = 16;

  struct Slot {
    char call[64];  // what the rank does in this round: all must do the same
    char data[kSlotBytes];
  };

  Meeting(const std::string& name, int rank, int size);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  void forget_name();  // nobody else will come: the memory goes with its last user

  Slot& slot(int rank) { return table_->slots[rank]; }
  // False when `given_up` became true before all ranks arrived.
  bool arrive_and_wait(const std::atomic<bool>& given_up);

 private:
  struct Table {
    std::atomic<int64_t> arrivals;
    Slot slots[kMaxRanks];
  };
  std::string name_;
  int rank_, size_;
  int64_t rounds_ = 0;
  Table* table_ = nullptr;
};

}  // namespace standin
