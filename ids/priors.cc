#include "ids/priors.h"

#include <algorithm>
#include <span>

#include "dist/runtime/errors.h"

namespace tutti::ids {
namespace {

constexpr double kCatalogShare = 0.1;  // of the strength, for the mean of all

// Sums of vectors by group: what tracks of one album or artist have in common.
class GroupMeans {
 public:
  GroupMeans(int64_t num_groups, int64_t dim)
      : dim_(dim), sums_(num_groups * dim), weights_(num_groups) {}

  void add(int64_t group, double weight, const float* vector) {
    for (int64_t j = 0; j < dim_; ++j) sums_[group * dim_ + j] += weight * vector[j];
    weights_[group] += weight;
  }

  // The sum becomes the mean, `strength` worth of `prior` mixed in.
  void finish(int64_t group, double strength, std::span<const double> prior) {
    const double total = weights_[group] + strength;
    for (int64_t j = 0; j < dim_; ++j) {
      double& value = sums_[group * dim_ + j];
      value = total > 0 ? (value + strength * prior[j]) / total : prior[j];
    }
  }

  std::span<const double> operator[](int64_t group) const {
    return std::span(sums_).subspan(group * dim_, dim_);
  }

 private:
  int64_t dim_;
  std::vector<double> sums_, weights_;
};

}  // namespace

void shrink_to_priors(const data::Catalog& catalog, const std::vector<int32_t>& support,
                      double strength, int64_t dim, std::span<float> vectors,
                      const std::vector<uint8_t>* only) {
  const int64_t num_tracks = catalog.num_tracks();
  TUTTI_CHECK(std::ssize(vectors) == num_tracks * dim && std::ssize(support) == num_tracks,
              "one vector a track");
  GroupMeans all(1, dim), artists(catalog.artist_keys.size(), dim),
      albums(catalog.album_keys.size(), dim);
  std::vector<int32_t> artist_of_album(catalog.album_keys.size(), -1);
  for (int64_t t = 0; t < num_tracks; ++t) {
    const float* vector = vectors.data() + t * dim;
    const int32_t artist = catalog.track_artist[t], album = catalog.track_album[t];
    all.add(0, support[t], vector);
    if (artist >= 0) artists.add(artist, support[t], vector);
    if (album < 0) continue;
    albums.add(album, support[t], vector);
    // An album of several artists leans on its first track's.
    if (artist_of_album[album] < 0) artist_of_album[album] = artist;
  }
  const std::vector<double> zeros(dim);
  all.finish(0, 0, zeros);
  for (int64_t a = 0; a < catalog.artist_keys.size(); ++a) {
    artists.finish(a, kCatalogShare * strength, all[0]);
  }
  for (int64_t a = 0; a < catalog.album_keys.size(); ++a) {
    const int32_t artist = artist_of_album[a];
    albums.finish(a, strength, artist >= 0 ? artists[artist] : all[0]);
  }
  for (int64_t t = 0; t < num_tracks; ++t) {
    if (only && !(*only)[t]) continue;
    const int32_t artist = catalog.track_artist[t], album = catalog.track_album[t];
    const auto prior = album >= 0 ? albums[album] : artist >= 0 ? artists[artist] : all[0];
    const double total = support[t] + strength;
    float* vector = vectors.data() + t * dim;
    for (int64_t j = 0; j < dim; ++j) {
      const double value =
          support[t] == 0 ? prior[j] : (support[t] * vector[j] + strength * prior[j]) / total;
      vector[j] = static_cast<float>(value);
    }
  }
}

}  // namespace tutti::ids
