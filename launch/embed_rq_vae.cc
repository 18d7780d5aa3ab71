#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/together.h"
#include "ids/embeddings.h"
#include "ids/fixed_point.h"
#include "ids/quantizer_rows.h"
#include "ids/residual_quantizer.h"
#include "ids/semantic_ids.h"
#include "launch/commands.h"
#include "launch/evaluate/held_out.h"
#include "launch/level_codes.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "trainer/rq_vae_files.h"

namespace tutti::launch {
namespace {

constexpr const char* kNetworkFile = "rq_vae.safetensors";

struct RqVaeArgs {
  std::string embeddings, dataset, out, network, num_codes = "256", norm = "damped";
  int levels = 3, threads = 1;
  bool overwrite = false;
  trainer::RqVaeOptions training;
};

Options declare(RqVaeArgs& a) {
  Options options(
      "embed rq-vae",
      "Turns vectors into latents of a network that is trained together with residual "
      "codebooks (RQ-VAE), for `ids build --quantizer rq-vae`; says whether codes stand "
      "better for the vectors than those of residual k-means. With --network it trains "
      "nothing: vectors of a newer dataset go through a network that is there.",
      "mpirun -n 2 tutti embed rq-vae --embeddings embeddings --dataset data --levels 3 "
      "--num-codes 256 --out latents");
  trainer::RqVaeOptions& t = a.training;
  options.require("embeddings", &a.embeddings, "embeddings folder, made from that dataset")
      .require("dataset", &a.dataset, "dataset folder")
      .require("out", &a.out, "embeddings folder to make")
      .add("network", &a.network,
           "a folder that `embed rq-vae` made, whose network to use as it is")
      .add("levels", &a.levels, "codes a track, the suffix not counted")
      .add("num-codes", &a.num_codes, "codes to choose from: one number, or one a level")
      .add("norm", &a.norm, "length of a vector before it is looked at: raw | unit | damped")
      .add("latent", &t.shape.latent, "width of the latents")
      .add("steps", &t.steps, "optimizer steps")
      .add("batch", &t.batch, "rows a step, over all ranks; in shards of 256")
      .add("learning-rate", &t.learning_rate, "of Adam; falls to a tenth")
      .add("commitment", &t.commitment, "weight of the distance of latents from their codes")
      .add("ema", &t.ema, "what codebooks keep of older rows in a step")
      .add("seed", &t.seed, "of weights, order and codes")
      .add("threads", &a.threads, "threads a rank")
      .add("overwrite", &a.overwrite, "replace the embeddings in --out");
  return options;
}

void check(RqVaeArgs& a) {
  trainer::RqVaeOptions& t = a.training;
  require_at_least("--levels", a.levels, 1);
  require_at_least("--latent", t.shape.latent, 1);
  require_at_least("--steps", t.steps, 1);
  require_at_least("--batch", t.batch, 1);
  require_at_least("--threads", a.threads, 1);
  require_share("--ema", t.ema);
  for (const auto& [option, value] :
       {std::pair{"--learning-rate", t.learning_rate}, std::pair{"--commitment", t.commitment}}) {
    if (value > 0 && value < 1e3) continue;
    throw UsageError({"", option, fmt::format("{}", value), "more than 0", ""});
  }
  t.num_codes = codes_of_levels(a.num_codes, a.levels);
}

// x' / deviation of all vectors, [N, D].
std::vector<float> network_rows(const trainer::RqVae& model, const ids::Embeddings& vectors,
                                ThreadPool& pool) {
  ids::RowsInMemory source(
      {vectors.values.data(), 0, vectors.num_rows, vectors.num_rows, vectors.dim});
  ids::ResidualRows scaled(source, model.norm, model.mean);
  std::vector<float> rows(vectors.values.size());
  scaled.for_each_block(pool, [&](const float* values, const ids::RowBlock& part, int) {
    for (int64_t i = 0; i < part.count * vectors.dim; ++i) {
      rows[part.local * vectors.dim + i] = static_cast<float>(values[i] / model.deviation);
    }
  });
  return rows;
}

double deviation_of(const std::vector<float>& rows) {
  double sum = 0;
  for (const float value : rows) sum += static_cast<double>(value) * value;
  const double deviation = std::sqrt(sum / static_cast<double>(rows.size()));
  return deviation > 0 ? deviation : 1;
}

// SNR of what the codes of latents decode to, in the space of `rows`. Over all ranks.
double decoded_snr(const trainer::RqVae& model, std::span<const float> rows,
                   std::span<const float> latents, int64_t total, Communicator& comm,
                   ThreadPool& pool) {
  const int64_t width = model.shape().latent, n = std::ssize(latents) / width;
  ids::RowsInMemory source({latents.data(), 0, n, n, width});
  const int beam = ids::ResidualQuantizerOptions().beam;
  const auto codes = ids::encode(source, model.codebooks, beam, pool);
  std::vector<float> sums(latents.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t l = 0; l < model.codebooks.num_levels(); ++l) {
      const auto code = model.codebooks.levels[l].row(codes[i * model.codebooks.num_levels() + l]);
      for (int64_t j = 0; j < width; ++j) sums[i * width + j] += code[j];
    }
  }
  const auto decoded = trainer::vectors_of(model, sums);
  std::vector<double> energies;  // and errors
  double largest = 0;
  const int64_t dim = model.shape().dim;
  for (int64_t i = 0; i < n; ++i) {
    double energy = 0, error = 0;
    for (int64_t j = i * dim; j < (i + 1) * dim; ++j) {
      energy += static_cast<double>(rows[j]) * rows[j];
      error +=
          (static_cast<double>(rows[j]) - decoded[j]) * (static_cast<double>(rows[j]) - decoded[j]);
    }
    energies.insert(energies.end(), {energy, error});
    largest = std::max({largest, energy, error});
  }
  comm.all_reduce(&largest, 1, DType::kFloat64, ReduceOp::kMax);
  const double scale = ids::fixed_point_scale(total, largest);
  std::vector<int64_t> totals(2);
  for (size_t i = 0; i < energies.size(); ++i) {
    totals[i % 2] += ids::to_fixed_point(energies[i], scale);
  }
  comm.all_reduce_sum(std::span<int64_t>(totals));
  return ids::to_decibel(totals[0], totals[1]);
}

// The same of residual k-means with as many codes, as `ids build` makes them.
double kmeans_snr(const RqVaeArgs& a, const ids::Embeddings& vectors, const Range& own,
                  Communicator& comm, ThreadPool& pool) {
  ids::RowsInMemory source({vectors.values.data() + own.first * vectors.dim, own.first, own.size(),
                            vectors.num_rows, vectors.dim});
  ids::ResidualQuantizerOptions options;
  options.num_codes = a.training.num_codes;
  options.norm = ids::norm_handling(a.norm);
  options.seed = a.training.seed;
  const auto codebooks = ids::train_residual_quantizer(source, options, comm, pool);
  const auto codes = ids::encode(source, codebooks, options.beam, pool);
  return ids::measure_codes(source, codes, codebooks, comm, pool).back().snr_db;
}

trainer::RqVae train(RqVaeArgs& a, const ids::Embeddings& vectors, Communicator& comm,
                     ThreadPool& pool) {
  a.training.shape.dim = vectors.dim;
  trainer::RqVae facts({.dim = vectors.dim, .hidden = {1}, .latent = 1}, 0);
  facts.norm = ids::norm_handling(a.norm);
  const auto own = owned_range(vectors.num_rows, ids::kRowBlock, comm.rank(), comm.size());
  ids::RowsInMemory source({vectors.values.data() + own.first * vectors.dim, own.first, own.size(),
                            vectors.num_rows, vectors.dim});
  facts.mean = ids::rows_to_train_on(source, facts.norm, 0, 0, comm, pool).mean;
  facts.deviation = deviation_of(network_rows(facts, vectors, pool));
  const auto rows = network_rows(facts, vectors, pool);
  Progress progress("embed rq-vae", a.training.steps, "steps", ProgressView::of_process(comm));
  auto model = trainer::train_rq_vae(
      rows, a.training, comm, pool, [&](int64_t step, const trainer::RqVaeStep& done) {
        progress.advance(1);
        progress.note(
            fmt::format("error {:.4f}", done.reconstruction / static_cast<double>(vectors.dim)));
        if (done.codes_reset > 0) {
          log::info(fmt::format("step {}: {} codes put on rows", step + 1, done.codes_reset));
        }
      });
  progress.finish();
  model.norm = facts.norm;
  model.mean = facts.mean;
  model.deviation = facts.deviation;
  return model;
}

trainer::RqVae read_network(const RqVaeArgs& a, int64_t dim) {
  const auto folder = std::filesystem::path(a.network);
  const auto manifest = read_manifest(folder, "embeddings");
  if (!manifest.files.contains(kNetworkFile)) {
    throw DataError({a.network, "", std::string("no ") + kNetworkFile,
                     "embeddings that `tutti embed rq-vae` made", ""});
  }
  auto model = trainer::read_rq_vae(folder / kNetworkFile);
  model.codebooks = ids::read_codebooks_file(folder / ids::kRqVaeCodebooks);
  if (model.shape().dim != dim || model.codebooks.dim() != model.shape().latent) {
    throw DataError({a.embeddings, "", fmt::format("vectors of {} numbers", dim),
                     fmt::format("{}, as the network of {} reads", model.shape().dim, a.network),
                     ""});
  }
  return model;
}

}  // namespace

int run_embed_rq_vae(const std::vector<std::string>& args, Communicator& comm) {
  RqVaeArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  check(a);
  at::set_num_threads(a.threads);
  if (comm.is_root()) ArtefactWriter(a.out, "embeddings", a.overwrite);

  const auto dataset = data::Dataset::open(a.dataset);
  const auto keys = dataset.track_keys();
  const auto loaded = ids::read_embeddings(a.embeddings, &keys);
  require_made_from(a.embeddings, loaded.manifest, "dataset", dataset.manifest());
  const ids::Embeddings& vectors = loaded.embeddings;
  ThreadPool pool(a.threads);
  const auto model =
      a.network.empty() ? train(a, vectors, comm, pool) : read_network(a, vectors.dim);

  const auto rows = network_rows(model, vectors, pool);
  const auto own = owned_range(vectors.num_rows, ids::kRowBlock, comm.rank(), comm.size());
  const std::span own_rows =
      std::span(rows).subspan(own.first * vectors.dim, own.size() * vectors.dim);
  const auto mine = trainer::latents_of(model, own_rows);
  const double snr = decoded_snr(model, own_rows, mine, vectors.num_rows, comm, pool);
  const double by_kmeans = a.network.empty() ? kmeans_snr(a, vectors, own, comm, pool) : 0;
  const auto latents = comm.all_gather(std::span<const float>(mine));
  if (!comm.is_root()) return 0;

  auto config = options.resolved();
  for (const char* key : {"embeddings", "dataset", "out", "network", "threads", "overwrite"}) {
    config.erase(key);
  }
  if (!a.network.empty()) config = read_manifest(a.network, "embeddings").config;
  config["space"] = loaded.manifest.config.value("space", "cf");
  carry_held_out(loaded.manifest, &config);
  ids::EmbeddingsWriter writer(a.out, model.shape().latent, a.overwrite);
  writer.append(latents, vectors.support);
  trainer::write_rq_vae(writer.file(kNetworkFile), model);
  ids::write_codebooks(writer.file(ids::kRqVaeCodebooks), model.codebooks);
  const auto manifest =
      writer.finish(dataset.manifest(), std::move(config), {{"embeddings", loaded.manifest.hash}});
  fmt::print("{}: {} tracks x {}; what their codes decode to has an SNR of {:.2f} dB; hash {}\n",
             a.out, vectors.num_rows, model.shape().latent, snr, manifest.short_hash());
  if (a.network.empty()) {
    fmt::print("rq-kmeans with as many codes: {:.2f} dB. {}\n", by_kmeans,
               snr > by_kmeans ? "rq-vae stands better for these vectors: compare hits too"
                               : "rq-vae is not recommended for these vectors");
  }
  return 0;
}

}  // namespace tutti::launch
