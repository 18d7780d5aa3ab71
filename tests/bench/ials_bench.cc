// Our side of ials_bench.py: implicit ALS on a matrix from a file, timings as JSON lines.
// Usage: ials_bench MATRIX DIM EPOCHS EXACT_EPOCHS THREADS UNOBSERVED_WEIGHT REGULARIZATION POWER
// START FACTORS
//   MATRIX   int64 num_playlists, num_tracks, num_entries; int64 offsets [playlists + 1]; int32
//   tracks [entries] FACTORS  the factors go here as fp32, playlists then tracks; "-": not wanted
// Runs on the ranks of its launcher.
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/memory.h"
#include "ids/ials.h"

namespace {

// A matrix file, mapped: pages of ranks on one machine are shared.
struct MatrixFile {
  explicit MatrixFile(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    TUTTI_CHECK(file && std::fread(header, sizeof(header), 1, file) == 1, "a matrix file");
    const size_t bytes =
        sizeof(header) + (header[0] + 1) * sizeof(int64_t) + header[2] * sizeof(int32_t);
    const void* data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fileno(file), 0);
    TUTTI_CHECK(data != MAP_FAILED, "a matrix file that can be mapped");
    std::fclose(file);
    offsets = static_cast<const int64_t*>(data) + 3;
    tracks = reinterpret_cast<const int32_t*>(offsets + header[0] + 1);
  }

  int64_t header[3] = {};
  const int64_t* offsets;
  const int32_t* tracks;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 11) {
    std::fprintf(stderr, "usage: see ials_bench.cc\n");
    return 2;
  }
  const auto comm = tutti::make_communicator_from_environment();
  const MatrixFile matrix(argv[1]);
  tutti::ids::IalsOptions options;
  options.dim = std::atoll(argv[2]);
  options.epochs = std::atoi(argv[3]);
  options.exact_epochs = std::atoi(argv[4]);
  tutti::ThreadPool pool(std::atoi(argv[5]));
  options.unobserved_weight = std::atof(argv[6]);
  options.regularization = std::atof(argv[7]);
  options.frequency_power = std::atof(argv[8]);
  options.init_stddev = std::atof(argv[9]);
  const tutti::ids::PlaylistSource source{
      matrix.header[0], matrix.header[1],
      [&](int64_t first, int64_t last, const tutti::ids::SeePlaylist& see) {
        for (int64_t i = first; i < last; ++i) {
          see(i, {matrix.tracks + matrix.offsets[i], matrix.tracks + matrix.offsets[i + 1]});
        }
      }};
  const auto interactions =
      tutti::ids::share_interactions(source, tutti::ids::ials_row_cost(options), *comm);
  const auto factors = tutti::ids::train_ials(
      interactions, options, *comm, pool, nullptr, [&](const tutti::ids::IalsEpoch& epoch) {
        if (!comm->is_root()) return;
        fmt::print(
            "{{\"exact\": {}, \"objective\": {}, \"playlists_s\": {:.4f}, \"tracks_s\": {:.4f}, "
            "\"basis_s\": {:.4f}, \"exchange_s\": {:.4f}}}\n",
            epoch.exact, epoch.objective, epoch.playlists_s, epoch.tracks_s, epoch.basis_s,
            epoch.exchange_s);
        std::fflush(stdout);
      });
  const int64_t peak =
      comm->sum(tutti::peak_memory_bytes() - factors.playlists.bytes_of_another_rank() -
                factors.tracks.bytes_of_another_rank());
  if (!comm->is_root()) return 0;
  fmt::print("{{\"peak_memory_gib\": {:.3f}}}\n", tutti::to_gib(peak));
  if (std::strcmp(argv[10], "-") != 0) {
    std::FILE* out = std::fopen(argv[10], "wb");
    for (const auto* table : {&factors.playlists, &factors.tracks}) {
      TUTTI_CHECK(out && std::fwrite(table->values().data(), sizeof(float), table->values().size(),
                                     out) == table->values().size(),
                  "room for the factors");
    }
    std::fclose(out);
  }
  return 0;
}
