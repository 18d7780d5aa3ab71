#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoints/import/bert.h"
#include "data/dataset.h"
#include "data/requests.h"
#include "dist/agreement.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "dist/runtime/log.h"
#include "dist/stop_flag.h"
#include "dist/together.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/progress.h"
#include "launch/train/known_bases.h"
#include "trainer/baselines/bi_encoder_checkpoints.h"
#include "trainer/baselines/bi_encoder_files.h"
#include "trainer/baselines/bi_encoder_trainer.h"

namespace tutti::launch {
namespace {

struct BiEncoderArgs {
  std::string dataset, out, base = "minilm", documents = "titles", requests;
  int threads = 1;
  int64_t report_every = 20, checkpoint_every = 50;
  bool overwrite = false, resume = false;
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
      .add("checkpoint-every", &a.checkpoint_every,
           "steps between checkpoints, in OUT.training until OUT stands")
      .add("resume", &a.resume,
           "go on from the newest of these checkpoints; where there is none, begin")
      .add("seed", &t.seed, "of order and draws")
      .add("threads", &a.threads, "threads a rank")
      .add("overwrite", &a.overwrite,
           "replace the bi-encoder in --out, and begin anew where checkpoints are left");
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
  require_at_least("--checkpoint-every", a.checkpoint_every, 1);
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

// The options that shape the result.
nlohmann::json config_of(const Options& options, const BiEncoderArgs& a) {
  nlohmann::json config = options.resolved();
  for (const char* key : {"dataset", "out", "base", "requests", "threads", "report-every",
                          "checkpoint-every", "resume", "overwrite"}) {
    config.erase(key);
  }
  config["templates"] = a.training.requests;
  return config;
}

// Of the base's weights, vocabulary and shape.
std::string hash_of_base(const std::filesystem::path& base) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(base)) {
    const std::filesystem::path& path = entry.path();
    const bool is_read = path.extension() == ".safetensors" || path.filename() == "config.json" ||
                         path.filename() == "tokenizer.json";
    if (is_read) files.insert(path);
  }
  std::string lines;
  for (const auto& path : files) lines += path.filename().string() + sha256_of_file(path) + '\n';
  return sha256_of_bytes(lines.data(), std::ssize(lines));
}

// Ready to write where this job goes on or begins; the steps that are done.
int64_t open_checkpoints(trainer::BiEncoderCheckpoints& checkpoints, const BiEncoderArgs& a,
                         trainer::BiEncoder& encoder, trainer::BiEncoderTrainer& trainer,
                         Communicator& comm) {
  const bool left = checkpoints.any();
  if (left && !a.resume && !a.overwrite) {
    throw UsageError(Problem{checkpoints.folder().string(), "--out",
                             "checkpoints of a training that did not end", "none",
                             "--resume goes on from them, --overwrite begins anew"});
  }
  const bool goes_on = left && a.resume;
  const int64_t done = goes_on ? checkpoints.load(encoder, trainer) : 0;
  run_together(comm, [&] {
    if (!comm.is_root()) return;
    checkpoints.lock();
    if (goes_on || !left) return;
    checkpoints.done();
    checkpoints.lock();
  });
  if (goes_on)
    log::info(fmt::format("resuming {} at step {}", checkpoints.folder().string(), done));
  return done;
}

// False: it was asked to stop, and wrote where it stood.
bool train(trainer::BiEncoder& encoder, const data::Dataset& dataset,
           const trainer::TrackDocuments& documents, trainer::BiEncoderCheckpoints& checkpoints,
           const BiEncoderArgs& a, Communicator& comm) {
  const trainer::TitledPlaylists playlists = trainer::titled_playlists(dataset);
  trainer::BiEncoderTrainer trainer(encoder, playlists, documents, a.training, comm);
  const StopFlag stop;
  const int64_t steps = a.training.steps;
  double sum = 0;
  int64_t since = 0;
  for (int64_t step = open_checkpoints(checkpoints, a, encoder, trainer, comm); step < steps;) {
    sum += trainer.step(step++);
    ++since;
    if (step % a.report_every == 0 || step == steps) {
      log::info(
          fmt::format("step {} of {}: loss {:.3f}", step, steps, sum / static_cast<double>(since)));
      sum = 0;
      since = 0;
    }
    const bool stops = stop.agreed(comm) && step < steps;
    if (!stops && step % a.checkpoint_every != 0 && step != steps) continue;
    run_together(comm, [&] {
      if (comm.is_root()) checkpoints.save(step, encoder, trainer);
    });
    if (!stops) continue;
    log::warn(fmt::format("stopped by a signal at step {}; --resume goes on from here", step));
    return false;
  }
  return true;
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
  const std::filesystem::path base = find_base(a.base);
  auto encoder = trainer::BiEncoder::from(checkpoints::BertSource::open(base));
  const std::map<std::string, std::string> made_from = {{"dataset", dataset.manifest().hash},
                                                        {"base", hash_of_base(base)}};
  require_agreement(comm, {{"the program", hash_of_this_program()},
                           {"the options", options.resolved().dump()},
                           {"the dataset", made_from.at("dataset")},
                           {"the base", made_from.at("base")}});
  const trainer::TrackDocuments documents(dataset, kind);
  const nlohmann::json config = config_of(options, a);
  trainer::BiEncoderCheckpoints checkpoints(a.out, config, made_from);
  if (a.training.steps > 0 && !train(encoder, dataset, documents, checkpoints, a, comm))
    return static_cast<int>(ExitCode::kStopped);
  const at::Tensor tracks = documents.vectors(encoder, comm);
  if (!comm.is_root()) return 0;
  const Manifest manifest =
      trainer::write_bi_encoder(a.out, encoder, tracks, made_from, config, a.overwrite);
  if (a.training.steps > 0) checkpoints.done();
  fmt::print("{}: {} tracks x {}, {}; hash {}\n", a.out, tracks.size(0), tracks.size(1),
             a.training.steps == 0
                 ? std::string("zero-shot")
                 : fmt::format("{} steps of up to {} pairs", a.training.steps, a.training.batch),
             manifest.short_hash());
  return 0;
}

}  // namespace tutti::launch
