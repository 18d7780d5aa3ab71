#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "data/string_table.h"
#include "ids/embeddings.h"
#include "ids/row_source.h"

namespace tutti::ids {

// Rows of an embeddings file that are not held: each pass reads them in chunks, the next one in the
// background while this one is worked on. HDF5 is never called from two threads at once, so the
// work of a pass must not touch it.
class FileRows final : public RowSource {
 public:
  // Rows `own` of `file`, whose shards of all ranks make up the file. Holds two chunks of
  // `chunk_rows` rows (a multiple of kRowBlock). `file` and `track_keys` outlive this.
  FileRows(const EmbeddingsFile& file, const Range& own, int64_t chunk_rows,
           const data::StringTable* track_keys = nullptr);

  // DataError naming the first row (and its track) that holds NaN or Inf.
  void for_each_block(ThreadPool& pool, const Work& work) override;
  void gather(std::span<const int64_t> places, float* out) override;

 private:
  std::future<RowShard> read_ahead(int64_t place, std::vector<float>* buffer);

  const EmbeddingsFile& file_;
  const int64_t chunk_rows_;
  const data::StringTable* track_keys_;
  std::vector<float> buffers_[2];
};

}  // namespace tutti::ids
