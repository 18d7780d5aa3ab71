#include "launch/commands.h"

namespace tutti::launch {

std::span<const Command> all_commands() {
  static constexpr Command kCommands[] = {
      {"import mpd", "Million Playlist Dataset slices -> dataset", run_import_mpd},
      {"import csv", "a table of playlists -> dataset", run_import_csv},
      {"import tags", "a catalogue of tagged tracks, no playlists -> dataset", run_import_tags},
      {"synth", "simulated playlists, over a catalogue given or simulated too -> dataset",
       run_synth},
      {"inspect", "what an artefact holds: counts, quantiles, splits", run_inspect},
      {"embed cf", "tracks as vectors, from the playlists they share -> embeddings", run_embed_cf},
      {"embed text", "tracks as vectors, from the titles of their playlists -> embeddings",
       run_embed_text},
      {"embed evaluate", "how well such vectors continue playlists: to tune embed cf by",
       run_embed_evaluate},
      {"embed fold-in", "vectors for tracks that came later; known ones stay -> embeddings",
       run_embed_fold_in},
      {"embed import", "vectors of your own (.npy, safetensors, HDF5) -> embeddings",
       run_embed_import},
      {"embed rq-vae", "vectors as latents of an RQ-VAE, with its codebooks -> embeddings",
       run_embed_rq_vae},
      {"ids build", "vectors -> short token IDs, one for each track -> ID table", run_ids_build},
      {"ids report", "how good an ID table is -> JSON, HTML with plots", run_ids_report},
      {"ids drift", "how far a catalogue has moved away from an ID table", run_ids_drift},
      {"ids rebuild", "an ID table follows a changed catalogue -> ID table", run_ids_rebuild},
      {"preflight", "are the machines of a job fit to train? JSON report", run_preflight},
      {"train", "a model that writes the IDs of a title's tracks -> run", run_train},
      {"train-biencoder", "a text encoder to compare with -> bi-encoder", run_train_biencoder},
      {"checkpoint list", "the checkpoints of a run", run_checkpoint_list},
      {"checkpoint verify", "reads all bytes of checkpoints and compares hashes",
       run_checkpoint_verify},
      {"checkpoint prune", "deletes the oldest checkpoints of a run", run_checkpoint_prune},
      {"evaluate", "the model beside tuned baselines, with intervals; TREC files", run_evaluate},
      {"sweep", "the model with other beams: hits against different artists", run_sweep},
      {"compare-ids", "one model a strategy of IDs, in one table", run_compare_ids},
      {"report", "runs and scores on one page; model card, TensorBoard files", run_report},
      {"recommend", "words in, tracks out", run_recommend},
      {"export", "a run -> a folder that serving engines load", run_export},
  };
  return kCommands;
}

}  // namespace tutti::launch
