#include "ids/file_rows.h"

#include <algorithm>

#include "dist/runtime/errors.h"

namespace tutti::ids {

FileRows::FileRows(const EmbeddingsFile& file, const Range& own, int64_t chunk_rows,
                   const data::StringTable* track_keys)
    : RowSource({own.first, own.size(), file.num_rows(), file.dim()}),
      file_(file),
      chunk_rows_(chunk_rows),
      track_keys_(track_keys) {
  TUTTI_CHECK(chunk_rows >= kRowBlock && chunk_rows % kRowBlock == 0, "chunks of whole blocks");
}

// The chunk that begins at `place`, up to the next multiple of chunk_rows in the table.
std::future<RowShard> FileRows::read_ahead(int64_t place, std::vector<float>* buffer) {
  return std::async(std::launch::async, [this, place, buffer] {
    const int64_t begin = first() + place;
    const int64_t end =
        std::min(first() + count(), begin / chunk_rows_ * chunk_rows_ + chunk_rows_);
    buffer->resize(std::max(std::ssize(*buffer), (end - begin) * dim()));
    file_.read_rows(begin, end - begin, buffer->data(), track_keys_);
    return RowShard{buffer->data(), begin, end - begin, total(), dim()};
  });
}

void FileRows::for_each_block(ThreadPool& pool, const Work& work) {
  if (count() == 0) return;
  int turn = 0;
  auto next = read_ahead(0, &buffers_[turn]);
  for (int64_t place = 0; place < count();) {
    const RowShard chunk = next.get();
    const int64_t after = place + chunk.count;
    turn = 1 - turn;
    if (after < count()) next = read_ahead(after, &buffers_[turn]);
    pool.for_each_block(num_row_blocks(chunk), [&](int64_t index, int thread) {
      auto part = row_block(chunk, index);
      const float* rows = chunk.row(part.local);
      part.local += place;
      work(rows, part, thread);
    });
    place = after;
  }
}

void FileRows::gather(std::span<const int64_t> places, float* out) {
  for (size_t i = 0; i < places.size();) {
    size_t run = 1;  // neighbours are read together
    while (i + run < places.size() && places[i + run] == places[i] + static_cast<int64_t>(run)) {
      ++run;
    }
    const auto n = static_cast<int64_t>(run);
    file_.read_rows(first() + places[i], n, out, track_keys_);
    out += n * dim();
    i += run;
  }
}

}  // namespace tutti::ids
