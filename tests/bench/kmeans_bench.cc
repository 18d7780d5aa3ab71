// k-means beside its peer, as JSON: kmeans_bench ROWS START THREADS STEPS, little-endian fp32 files
// [N, 128] and [K, 128]. Under mpirun each rank takes its share of the rows and THREADS threads.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>

#include "dist/communicator.h"
#include "dist/runtime/errors.h"
#include "ids/gemm.h"
#include "ids/kmeans.h"

namespace {

constexpr int64_t kDim = 128;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int64_t num_rows_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  return static_cast<int64_t>(file.tellg()) / (kDim * static_cast<int64_t>(sizeof(float)));
}

std::vector<float> read_rows(const std::string& path, int64_t first, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count * kDim));
  std::ifstream file(path, std::ios::binary);
  file.seekg(first * kDim * static_cast<int64_t>(sizeof(float)));
  file.read(reinterpret_cast<char*>(values.data()), std::ssize(values) * 4);
  if (!file) throw tutti::DataError({path, "", "fewer bytes", "rows of 128 floats", ""});
  return values;
}

// Multiply-adds a second, times two, of the plain product that the assignment is measured against:
// tiles of 4096 x 128 by 128 x 1024 through the fastest library at hand.
double plain_gemm_flops(int threads) {
  at::set_num_threads(threads);
  const auto a = at::rand({4096, kDim}), b = at::rand({1024, kDim}).t();
  auto out = at::empty({4096, 1024});
  double best = 1e9;
  for (int run = 0; run < 60; ++run) {
    const double start = now();
    tutti::ids::gemm(a, b, out);
    best = std::min(best, now() - start);
  }
  return 2.0 * 4096 * 1024 * kDim / best;
}

int run(const std::string& rows_file, const std::string& start_file, int threads, int steps) {
  const auto comm = tutti::make_communicator_from_environment();
  const int64_t total = num_rows_of(rows_file);
  const auto range = tutti::owned_range(total, tutti::ids::kRowBlock, comm->rank(), comm->size());
  const auto rows = read_rows(rows_file, range.first, range.size());
  tutti::ids::RowsInMemory source({rows.data(), range.first, range.size(), total, kDim});
  tutti::ids::Codebook start{num_rows_of(start_file), kDim, {}};
  start.values = read_rows(start_file, 0, start.num_codes);
  tutti::ids::KMeansOptions options;
  options.num_codes = start.num_codes;
  options.max_steps = steps;
  options.min_relative_drop = 0;
  tutti::ThreadPool pool(threads);
  std::vector<tutti::ids::KMeansStep> log;
  comm->barrier();
  const double began = now();
  const auto codebook = tutti::ids::refine_codebook(source, start, options, *comm, pool, &log);
  const double seconds = now() - began;
  // The objective of the codebook that came out, as the peer reports it.
  options.max_steps = 1;
  std::vector<tutti::ids::KMeansStep> last;
  tutti::ids::refine_codebook(source, codebook, options, *comm, pool, &last);
  if (!comm->is_root()) return 0;
  double assign_s = 0, update_s = 0, reduce_s = 0;
  for (const auto& step : log) {
    assign_s += step.assign_s;
    update_s += step.update_s;
    reduce_s += step.reduce_s;
  }
  const double flops =
      2.0 * static_cast<double>(total * start.num_codes * kDim) * static_cast<double>(log.size());
  std::printf(
      "{\"seconds\": %.4f, \"steps\": %zu, \"assign_gflops\": %.1f, \"best_assign_gflops\": %.1f, "
      "\"gflops\": %.1f, \"assign_s\": %.4f, \"update_s\": %.4f, \"reduce_s\": %.4f, "
      "\"start_objective\": %.9g, \"objective\": %.9g, \"plain_gemm_gflops\": %.1f}\n",
      seconds, log.size(), flops / assign_s / 1e9,
      flops / static_cast<double>(log.size()) /
          std::ranges::min_element(log, {}, &tutti::ids::KMeansStep::assign_s)->assign_s / 1e9,
      flops / seconds / 1e9, assign_s, update_s, reduce_s, log.front().objective,
      last.front().objective, plain_gemm_flops(threads * comm->size()) / 1e9);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: kmeans_bench ROWS START THREADS STEPS\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], std::atoi(argv[3]), std::atoi(argv[4]));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 3;
  }
}
