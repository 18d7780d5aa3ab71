#include "ids/fold_in.h"

#include <algorithm>

#include "dist/runtime/errors.h"
#include "ids/gram.h"
#include "ids/huge_pages.h"
#include "ids/ials_rows.h"

namespace tutti::ids {
namespace {

SparseRows known_entries(const SparseRows& playlists, const std::vector<uint8_t>& known) {
  SparseRows result;
  for (int64_t i = 0; i < playlists.size(); ++i) {
    for (int32_t track : playlists.row(i)) {
      if (known[track]) result.columns.push_back(track);
    }
    result.offsets.push_back(std::ssize(result.columns));
  }
  return result;
}

SparseRows entries_of_new(const SparseRows& tracks, int64_t first,
                          const std::vector<uint8_t>& known) {
  SparseRows result;
  for (int64_t i = 0; i < tracks.size(); ++i) {
    const auto row = tracks.row(i);
    if (!known[first + i]) result.columns.insert(result.columns.end(), row.begin(), row.end());
    result.offsets.push_back(std::ssize(result.columns));
  }
  return result;
}

// What takes rows back from the basis: the axes are orthonormal.
PrincipalAxes inverse(const PrincipalAxes& basis, int64_t dim) {
  PrincipalAxes result = basis;
  for (int64_t i = 0; i < dim; ++i) {
    for (int64_t j = 0; j < dim; ++j) result.axes[i * dim + j] = basis.axes[j * dim + i];
  }
  return result;
}

}  // namespace

void fold_in_tracks(const Interactions& interactions, const std::vector<uint8_t>& known,
                    const IalsOptions& options, std::vector<float>* tracks, Communicator& comm,
                    ThreadPool& pool) {
  const int64_t dim = options.dim, num_tracks = interactions.num_tracks;
  TUTTI_CHECK(std::ssize(known) == num_tracks && std::ssize(*tracks) == num_tracks * dim,
              "one vector a track");
  const auto row_bytes = dim * static_cast<int64_t>(sizeof(float));
  const auto& split = interactions.track_split;
  const int64_t first = split[comm.rank()], count = interactions.by_track.size();
  const int64_t first_playlist = interactions.playlist_split[comm.rank()];
  const int64_t num_own_playlists = interactions.by_playlist.size();

  // Playlists from known tracks. New ones count for nothing in the Gram matrix.
  auto table = large_table(num_tracks * dim);
  for (int64_t t = first; t < first + count; ++t) {
    if (known[t]) std::copy_n(tracks->data() + t * dim, dim, table.data() + t * dim);
  }
  float* own = table.data() + first * dim;
  const auto track_axes =
      principal_axes(gram_matrix({own, first, count, num_tracks, dim}, comm, pool), dim, comm);
  rotate_rows(track_axes, count, dim, own, pool);
  comm.all_gather_rows(table.data(), row_bytes, split);
  auto playlists = large_table(interactions.num_playlists * dim);
  float* own_playlists = playlists.data() + first_playlist * dim;
  const int64_t num_known = std::ranges::count_if(known, [](uint8_t is) { return is != 0; });
  solve_rows({known_entries(interactions.by_playlist, known), table.data(), num_known,
              track_axes.values, /*exact=*/true},
             options, own_playlists, nullptr, pool);

  // New tracks from playlists.
  const auto playlist_axes = principal_axes(
      gram_matrix(
          {own_playlists, first_playlist, num_own_playlists, interactions.num_playlists, dim}, comm,
          pool),
      dim, comm);
  rotate_rows(playlist_axes, num_own_playlists, dim, own_playlists, pool);
  comm.all_gather_rows(playlists.data(), row_bytes, interactions.playlist_split);
  std::vector<float> folded(count * dim);
  solve_rows({entries_of_new(interactions.by_track, first, known), playlists.data(),
              interactions.num_playlists, playlist_axes.values, /*exact=*/true},
             options, folded.data(), nullptr, pool);
  rotate_rows(inverse(playlist_axes, dim), count, dim, folded.data(), pool);
  rotate_rows(inverse(track_axes, dim), count, dim, folded.data(), pool);
  for (int64_t i = 0; i < count; ++i) {
    if (!known[first + i]) std::copy_n(&folded[i * dim], dim, tracks->data() + (first + i) * dim);
  }
  comm.all_gather_rows(tracks->data(), row_bytes, split);
}

}  // namespace tutti::ids
