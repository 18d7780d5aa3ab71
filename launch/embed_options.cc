#include "launch/embed_options.h"

#include <cmath>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/option_checks.h"

namespace tutti::launch {

void add_embed_options(Options& options, EmbedOptions& embed) {
  auto& ials = embed.ials;
  options.add("dim", &ials.dim, "length of a vector")
      .add("epochs", &ials.epochs, "passes over both sides")
      .add("exact-epochs", &ials.exact_epochs,
           "of these, the last ones solve exactly; the others by conjugate gradients")
      .add("cg-steps", &ials.cg_steps, "conjugate gradient steps a row and epoch")
      .add("unobserved-weight", &ials.unobserved_weight,
           "weight of a track not in the playlist, where one that is in it weighs 1")
      .add("cutoff", &ials.cutoff,
           "singular value of the playlists below which a direction vanishes: sets lambda")
      .add("regularization", &ials.regularization,
           "lambda itself, times the row's frequency; 0: as --cutoff says")
      .add("frequency-power", &ials.frequency_power, "nu: power of that frequency")
      .add("init-stddev", &ials.init_stddev, "length of the random start vectors")
      .add("prior-strength", &embed.prior_strength,
           "playlists that the mean of album and artist counts for; 0: rare tracks stand alone")
      .add("seed", &ials.seed, "of the start vectors")
      .add("threads", &embed.threads, "threads a rank; does not change the result");
}

void check_embed_options(const EmbedOptions& embed) {
  ids::check_options(embed.ials);
  require_at_least("--threads", embed.threads, 1);
  if (!(embed.prior_strength >= 0) || !std::isfinite(embed.prior_strength)) {
    throw UsageError(
        {"", "--prior-strength", fmt::format("{}", embed.prior_strength), "at least 0", ""});
  }
}

void print_epochs(const std::vector<ids::IalsEpoch>& epochs) {
  fmt::print("epoch  solver    objective  playlists s  tracks s  (axes s  exchange s)\n");
  for (size_t e = 0; e < epochs.size(); ++e) {
    fmt::print("{:>5}  {:<6}  {:>11.6g}  {:>11.2f}  {:>8.2f}  {:>7.2f}  {:>10.2f}\n", e + 1,
               epochs[e].exact ? "exact" : "cg", epochs[e].objective, epochs[e].playlists_s,
               epochs[e].tracks_s, epochs[e].basis_s, epochs[e].exchange_s);
  }
}

}  // namespace tutti::launch
