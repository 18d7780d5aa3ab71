#include "ids/path_choices.h"

#include "ids/beam_encoder.h"
#include "ids/residual_rows.h"

namespace tutti::ids {

PathChoices encode_choices(RowSource& rows, const Codebooks& codebooks, int beam, double tolerance,
                           ThreadPool& pool) {
  const int64_t num_levels = codebooks.num_levels();
  const BeamEncoder encoder(codebooks, beam);
  std::vector<BeamEncoder::Scratch> threads(pool.num_threads());
  std::vector<int32_t> paths(rows.count() * beam * num_levels), num_paths(rows.count());
  std::vector<double> distances(rows.count() * beam);
  ResidualRows vectors(rows, codebooks.norm, codebooks.mean);
  vectors.for_each_block(pool, [&](const float* values, const RowBlock& part, int t) {
    encoder.encode_choices(values, part.count, threads[t], &paths[part.local * beam * num_levels],
                           &distances[part.local * beam], &num_paths[part.local]);
  });

  PathChoices choices;
  choices.num_levels = num_levels;
  for (int64_t i = 0; i < rows.count(); ++i) {
    const double most = (1 + tolerance) * distances[i * beam];
    for (int64_t p = 1; p < num_paths[i] && distances[i * beam + p] <= most; ++p) {
      const int32_t* path = &paths[(i * beam + p) * num_levels];
      choices.paths.insert(choices.paths.end(), path, path + num_levels);
    }
    choices.offsets.push_back(std::ssize(choices.paths) / num_levels);
  }
  return choices;
}

}  // namespace tutti::ids
