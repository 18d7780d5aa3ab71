#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "checkpoints/import/bert.h"
#include "data/dataset.h"
#include "data/requests.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/train/known_bases.h"
#include "trainer/baselines/bi_encoder_files.h"
#include "trainer/baselines/bi_encoder_trainer.h"

namespace tutti::launch {
namespace {

struct BiEncoderArgs {
  std::string dataset, out, base = "minilm", documents = "titles", requests;
  int threads = 1;
  int64_t report_every = 20;
  bool overwrite = false;
  trainer::BiEncoderOptions training;
};

Options declare(BiEncoderArgs& a) {
  Options options("train-biencoder",
                  "Makes the bi-encoder that evaluate sets beside the model: a text encoder as it "
                  "is (--steps 0) or fine-tuned on the titles and tracks of the training "
                  "playlists, over all ranks, with the vectors of all tracks.",
                  "mpirun -n 2 tutti train-biencoder --dataset data --steps 200 --out bi-encoder");
  trainer::BiEncoderOptions& t = a.training;
  options.require("dataset", &a.dataset, "dataset folder")
      .require("out", &a.out, "bi-encoder folder to make")
      .add("base", &a.base,
           "folder of a BERT of Hugging Face transformers; minilm: all-MiniLM-L6-v2 where its "
           "Python package is installed")
      .add("documents", &a.documents,
           "what stands for a track: titles (of its training playlists) | metadata (its names) | "
           "both")
      .add("steps", &t.steps, "optimizer steps; 0: zero-shot, the base as it is")
      .add("batch", &t.batch, "pairs a step, over all ranks: each other's negatives")
      .add("titles-per-document", &t.titles_per_document,
           "titles drawn for a track each time; vectors are made of all")
      .add("hard-negatives", &t.hard_negatives,
           "further negatives a pair: wrong tracks that the base puts near the title")
      .add("learning-rate", &t.learning_rate, "peak learning rate")
      .add("weight-decay", &t.weight_decay, "AdamW, on matrices and embeddings")
      .add("clip-norm", &t.clip_norm, "bound on the gradient's norm")
      .add("scale", &t.scale, "of cosines, before the softmax")
      .add("request-share", &t.request_share, "share of the titles put into requests, as in train")
      .add("requests", &a.requests, "a file of further templates, as in train")
      .add("report-every", &a.report_every, "steps between lines on the console")
      .add("seed", &t.seed, "of order and draws")
      .add("threads", &a.threads, "threads a rank")
      .add("overwrite", &a.overwrite, "replace the bi-encoder in --out");
  return options;
}

void require_positive(const char* option, double value) {
  if (value > 0 && value < 1e9) return;
  throw UsageError(Problem{"", option, fmt::format("{}", value), "more than 0", ""});
}

trainer::DocumentKind check(BiEncoderArgs& a) {
  trainer::BiEncoderOptions& t = a.training;
  require_at_least("--steps", t.steps, 0);
  require_at_least("--batch", t.batch, 2);
  require_at_least("--titles-per-document", t.titles_per_document, 1);
  require_at_least("--hard-negatives", t.hard_negatives, 0);
  require_at_least("--report-every", a.report_every, 1);
  require_at_least("--threads", a.threads, 1);
  require_positive("--learning-rate", t.learning_rate);
  require_positive("--clip-norm", t.clip_norm);
  require_positive("--scale", t.scale);
  require_one_of("--documents", a.documents, {"titles", "metadata", "both"});
  t.requests = data::training_requests(t.request_share, a.requests);
  return a.documents == "titles"     ? trainer::DocumentKind::kTitles
         : a.documents == "metadata" ? trainer::DocumentKind::kMetadata
                                     : trainer::DocumentKind::kBoth;
}

void train(trainer::BiEncoder& encoder, const data::Dataset& dataset,
           const trainer::TrackDocuments& documents, const BiEncoderArgs& a, Communicator& comm) {
  const trainer::TitledPlaylists playlists = trainer::titled_playlists(dataset);
  trainer::BiEncoderTrainer trainer(encoder, playlists, documents, a.training, comm);
  double sum = 0;
  int64_t since = 0;
  for (int64_t step = 0; step < a.training.steps; ++step) {
    sum += trainer.step(step);
    ++since;
    if ((step + 1) % a.report_every != 0 && step + 1 != a.training.steps) continue;
    log::info(fmt::format("step {} of {}: loss {:.3f}", step + 1, a.training.steps,
                          sum / static_cast<double>(since)));
    sum = 0;
    since = 0;
  }
}

}  // namespace

int run_train_biencoder(const std::vector<std::string>& args, Communicator& comm) {
  BiEncoderArgs a;
  Options options = declare(a);
  if (!options.parse(args)) return 0;
  const trainer::DocumentKind kind = check(a);
  at::set_num_threads(a.threads);
  // Says before the work, not after it, that the folder cannot be written.
  if (comm.is_root()) ArtefactWriter(a.out, trainer::kBiEncoderKind, a.overwrite);

  const auto dataset = data::Dataset::open(a.dataset);
  const trainer::TrackDocuments documents(dataset, kind);
  auto encoder = trainer::BiEncoder::from(checkpoints::BertSource::open(find_base(a.base)));
  if (a.training.steps > 0) train(encoder, dataset, documents, a, comm);
  const at::Tensor tracks = documents.vectors(encoder, comm);
  if (!comm.is_root()) return 0;
  auto config = options.resolved();
  for (const char* key :
       {"dataset", "out", "base", "requests", "threads", "report-every", "overwrite"}) {
    config.erase(key);
  }
  config["templates"] = a.training.requests;
  const Manifest manifest = trainer::write_bi_encoder(a.out, encoder, tracks, dataset.manifest(),
                                                      std::move(config), a.overwrite);
  fmt::print("{}: {} tracks x {}, {}; hash {}\n", a.out, tracks.size(0), tracks.size(1),
             a.training.steps == 0
                 ? std::string("zero-shot")
                 : fmt::format("{} steps of up to {} pairs", a.training.steps, a.training.batch),
             manifest.short_hash());
  return 0;
}

}  // namespace tutti::launch
