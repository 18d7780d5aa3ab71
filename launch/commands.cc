#include "launch/commands.h"

#include <algorithm>

namespace tutti::launch {

// Weak until every command has landed: one whose file is not linked is left out of the table.
[[gnu::weak]] int run_import_mpd(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_import_csv(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_import_tags(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_synth(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_inspect(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_embed_cf(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_ids_build(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_train(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_evaluate(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_recommend(const std::vector<std::string>& args, Communicator& comm);
[[gnu::weak]] int run_export(const std::vector<std::string>& args, Communicator& comm);

std::span<const Command> all_commands() {
  static const std::vector<Command> kCommands = [] {
    std::vector<Command> all = {
        {"import mpd", "Million Playlist Dataset slices -> dataset", run_import_mpd},
        {"import csv", "a table of playlists -> dataset", run_import_csv},
        {"import tags", "a catalogue of tagged tracks, no playlists -> dataset", run_import_tags},
        {"synth", "simulated playlists over the catalogue of a dataset -> dataset", run_synth},
        {"inspect", "what is in a dataset: counts, quantiles, splits", run_inspect},
        {"embed cf", "tracks as vectors, from the playlists they share -> embeddings",
         run_embed_cf},
        {"ids build", "vectors -> short token IDs, one for each track -> ID table", run_ids_build},
        {"train", "a model that writes the IDs of a title's tracks -> run", run_train},
        {"evaluate", "hits@10, recall, nDCG, beside popularity and BM25", run_evaluate},
        {"recommend", "words in, tracks out", run_recommend},
        {"export", "a run -> a folder that serving engines load", run_export},
    };
    std::erase_if(all, [](const Command& c) { return c.run == nullptr; });
    return all;
  }();
  return kCommands;
}

}  // namespace tutti::launch
