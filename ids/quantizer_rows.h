#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/codebooks.h"
#include "ids/residual_rows.h"
#include "ids/row_source.h"
#include "ids/sampled_rows.h"

namespace tutti::ids {

// What a quantizer is trained on: all rows, or a sample of them, and the mean that it takes off
// them once they are scaled.
struct QuantizerRows {
  std::unique_ptr<SampledRows> sample;
  RowSource* rows = nullptr;  // the sample's, or all
  std::vector<float> mean;    // [D]
};

// `sample_rows` 0: all. Collective; the same bytes at any world size. DataError for a value that is
// not finite, in the sample or not, or too large for sums of squares in fp32.
QuantizerRows rows_to_train_on(RowSource& all_rows, NormHandling norm, int64_t sample_rows,
                               uint64_t seed, Communicator& comm, ThreadPool& pool);

// Adds what the threads gathered and reduces it over all ranks.
std::vector<int64_t> total_of(std::vector<std::vector<int64_t>>& threads, Communicator& comm);

// 10 log10 of signal over error energy, fixed-point numbers of one scale; 0 without a signal.
double to_decibel(int64_t signal, int64_t error);

}  // namespace tutti::ids
