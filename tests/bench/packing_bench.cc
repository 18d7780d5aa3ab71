// What the data side of a training step costs: choosing, dealing and packing its titles, on the
// thread that prefetches. Usage: packing_bench DATASET IDS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "ids/id_table.h"
#include "trainer/training_data.h"

namespace {

using tutti::trainer::TrainingData;

void measure(TrainingData& data, int64_t titles) {
  TrainingData::Step step;
  const int64_t steps = std::max<int64_t>(200, 16384 / titles);  // more than a window of playlists
  int64_t pairs = 0, nodes = 0;
  std::vector<double> seconds;
  for (int64_t s = 0; s < steps; ++s) {
    const auto start = std::chrono::steady_clock::now();
    data.make_step(s, 0, 1, step);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    pairs += step.pairs;
    nodes += step.nodes;
  }
  double total = 0;
  for (const double s : seconds) total += s;
  std::nth_element(seconds.begin(), seconds.begin() + steps / 2, seconds.end());
  std::printf(
      "{\"titles\": %ld, \"pairs_per_title\": %.1f, \"nodes_per_pair\": %.3f, \"median_step_us\": "
      "%.1f, \"mean_ns_per_pair\": %.1f, \"longest_ms\": %.2f}\n",
      static_cast<long>(titles), static_cast<double>(pairs) / static_cast<double>(steps * titles),
      static_cast<double>(nodes) / static_cast<double>(pairs), 1e6 * seconds[steps / 2],
      1e9 * total / static_cast<double>(pairs),
      1e3 * *std::max_element(seconds.begin(), seconds.end()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: packing_bench DATASET IDS\n");
    return 2;
  }
  try {
    const auto dataset = tutti::data::Dataset::open(argv[1]);
    const auto ids = tutti::ids::read_id_table(argv[2]);
    const auto tokenizer = tutti::data::Tokenizer::from_bytes(
        tutti::trainer::train_title_vocabulary(dataset, {.num_pieces = 4000}), "vocabulary");
    for (const int64_t titles : {4, 8, 16, 64}) {
      TrainingData data(dataset, tokenizer, ids.table, {.titles_per_step = titles, .seed = 1});
      measure(data, titles);
    }
  } catch (const tutti::Error& error) {
    std::fprintf(stderr, "packing_bench: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
