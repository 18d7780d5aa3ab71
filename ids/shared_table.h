#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.h"

namespace tutti::ids {

// A table [num_rows, dim] that every rank reads whole and writes its own rows of. Ranks that are
// all on one machine share one piece of memory, so that the table is held once and rows need not
// travel; otherwise each rank holds a copy. Rows are zeros at first. A rank may write its rows only
// while no other reads them, that is between two collective calls.
class SharedTable {
 public:
  SharedTable() = default;
  // Rank r owns rows split[r] .. split[r + 1]. Collective.
  SharedTable(int64_t dim, std::vector<int64_t> split, Communicator& comm);
  ~SharedTable();
  SharedTable(SharedTable&& other) noexcept;
  SharedTable& operator=(SharedTable&& other) noexcept;

  std::span<float> values() { return values_; }
  std::span<const float> values() const { return values_; }
  std::span<float> own_values();
  int64_t dim() const { return dim_; }
  int64_t num_rows() const { return split_.back(); }
  const std::vector<int64_t>& split() const { return split_; }

  // Rows for this rank where each costs the same, in whole blocks: an equal share of all where
  // memory is shared, else its own. A barrier before the owners touch them.
  Range even_share(int64_t block) const;

  // What this rank holds beside memory that rank 0 counts already.
  int64_t bytes_of_another_rank() const;

  void share_own_rows(Communicator& comm);   // everyone sees what each rank wrote. Collective
  void share_from_root(Communicator& comm);  // everyone sees what rank 0 wrote. Collective

 private:
  int64_t dim_ = 0;
  int rank_ = 0;
  std::vector<int64_t> split_{0};
  std::span<float> values_;
  std::vector<float> copy_;  // behind values_, unless that is shared memory
};

}  // namespace tutti::ids
