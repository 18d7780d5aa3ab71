#include "launch/train/train_args.h"

#include "dist/runtime/errors.h"

namespace tutti::launch {

Options declare(TrainArgs& a) {
  Options options("train",
                  "Trains a generator of track IDs on the titles of the training playlists, "
                  "data-parallel over all ranks.",
                  "mpirun -n 2 tutti train --dataset data --ids ids --out run --steps 5000");
  options.require("dataset", &a.dataset, "dataset folder")
      .require("ids", &a.ids, "ID table folder, made from that dataset")
      .require("out", &a.out, "run folder: config.ini, log.jsonl, checkpoints/")
      .add_with_bare_form(
          "resume", kAuto, &a.resume,
          "auto, or nothing behind it: go on from the newest good checkpoint in "
          "--out, start from nothing when there is none | a folder: go on from that "
          "run or checkpoint | never")
      .add("overwrite", &a.overwrite, "replace the run in --out");
  declare(options, a.loop);
  declare(options, a.model);
  declare(options, a.compute);
  declare(options, a.distribution);
  declare(options, a.watch);
  declare(options, a.stop);
  declare(options, a.start);
  return options;
}

void check(TrainArgs& a) {
  check(a.loop);
  check(a.model);
  check(a.compute);
  check(a.distribution);
  check(a.watch);
  check(a.stop);
  a.loop.data.packing.softmax = a.model.softmax;
  a.model.requests = a.loop.data.requests;
  a.loop.trainer.dropout = a.model.dropout;
  a.loop.trainer.dropout_seed = a.loop.seed;
  a.loop.trainer.thaw_at = a.model.thaw_at;
  if (a.resume != kNever && a.overwrite)
    throw UsageError("--resume and --overwrite exclude each other; give one");
}

}  // namespace tutti::launch
