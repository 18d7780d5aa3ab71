// The residual quantizer beside its peer, as JSON.
//   residual_bench encode ROWS CODEBOOKS CODES THREADS BEAM   the peer's codebooks [L, CODES, 128]
//   residual_bench train ROWS LEVELS CODES THREADS BEAM
//   residual_bench stream FOLDER CODEBOOKS CODES THREADS BEAM   an embeddings folder, in chunks
//   residual_bench write ROWS FOLDER NUM_ROWS - -    makes one, from ROWS again and again
// ROWS, CODEBOOKS: little-endian fp32 files, rows of 128.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "ids/embeddings.h"
#include "ids/file_rows.h"
#include "ids/residual_quantizer.h"

namespace {

using namespace tutti::ids;  // NOLINT(google-build-using-namespace): a program of one file

constexpr int64_t kDim = 128;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<float> read_rows(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<float> values(static_cast<size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), std::ssize(values) * 4);
  if (!file) throw tutti::DataError({path, "", "fewer bytes", "rows of 128 floats", ""});
  return values;
}

void write(const std::string& rows_file, const std::string& folder, int64_t num_rows) {
  auto rows = read_rows(rows_file);
  const int64_t n = std::ssize(rows) / kDim;
  EmbeddingsWriter writer(folder, kDim, /*overwrite=*/true);
  const std::vector<int32_t> support(n, 1);
  for (int64_t done = 0; done < num_rows; done += n) {
    const int64_t count = std::min(n, num_rows - done);
    writer.append(std::span(rows).first(count * kDim), std::span(support).first(count));
  }
  tutti::Manifest dataset;
  dataset.hash = std::string(64, '0');
  writer.finish(dataset, {});
}

Codebooks read_codebooks(const std::string& path, int64_t num_codes) {
  const auto values = read_rows(path);
  Codebooks codebooks;
  codebooks.mean.assign(kDim, 0);
  for (int64_t first = 0; first < std::ssize(values); first += num_codes * kDim) {
    codebooks.levels.push_back(
        {num_codes, kDim, {values.begin() + first, values.begin() + first + num_codes * kDim}});
  }
  return codebooks;
}

void encode_stream(const std::string& folder, const Codebooks& codebooks, int beam,
                   tutti::ThreadPool& pool) {
  const auto file = EmbeddingsFile::open(folder);
  FileRows rows(file, {0, file.num_rows()}, int64_t{64} << 10);
  const double start = now();
  const auto codes = encode(rows, codebooks, beam, pool);
  std::printf("{\"rows\": %zu, \"encode_s\": %.2f, \"peak_gib\": %.3f}\n",
              codes.size() / codebooks.levels.size(), now() - start,
              tutti::to_gib(tutti::peak_memory_bytes()));
}

int run(const std::vector<std::string>& args) {
  const auto comm = tutti::make_single_communicator();
  if (args[0] == "write") {
    write(args[1], args[2], std::atoll(args[3].c_str()));
    return 0;
  }
  if (args[0] == "stream") {
    tutti::ThreadPool pool(std::atoi(args[4].c_str()));
    encode_stream(args[1], read_codebooks(args[2], std::atoll(args[3].c_str())),
                  std::atoi(args[5].c_str()), pool);
    return 0;
  }
  const auto rows = read_rows(args[1]);
  const int64_t n = std::ssize(rows) / kDim;
  RowsInMemory source({rows.data(), 0, n, n, kDim});
  const int64_t num_codes = std::atoll(args[3].c_str());
  const int threads = std::atoi(args[4].c_str()), beam = std::atoi(args[5].c_str());
  tutti::ThreadPool pool(threads);
  Codebooks codebooks;
  double train_s = 0;
  if (args[0] == "encode") {
    codebooks = read_codebooks(args[2], num_codes);
  } else {
    ResidualQuantizerOptions options;
    options.num_codes.assign(std::atoll(args[2].c_str()), num_codes);
    options.norm = NormHandling::kRaw;
    options.beam = beam;
    QuantizerStatistics statistics;
    const double start = now();
    codebooks = train_residual_quantizer(source, options, *comm, pool, &statistics);
    train_s = now() - start;
    for (const auto& level : statistics.training) {
      std::fprintf(stderr, "%zu steps to %.6g\n", level.size(), level.back().objective);
    }
    for (const double snr : statistics.refit_snr_db) std::fprintf(stderr, "SNR %.4f\n", snr);
  }
  const double start = now();
  const auto codes = encode(source, codebooks, beam, pool);
  const double encode_s = now() - start;
  const auto levels = measure_codes(source, codes, codebooks, *comm, pool);
  std::printf("{\"train_s\": %.4f, \"encode_s\": %.4f, \"snr_db\": %.5f}\n", train_s, encode_s,
              levels.back().snr_db);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() != 6) {
    std::fprintf(stderr, "usage: residual_bench encode|train|stream|write ..., see the source\n");
    return 2;
  }
  try {
    return run(args);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 3;
  }
}
