#pragma once

#include <span>
#include <string>
#include <vector>

#include "dist/communicator.h"

namespace tutti::launch {

// A subcommand: parses its own options, does the work on all ranks of `comm`, returns the exit
// code; errors are exceptions.
using CommandFunction = int (*)(const std::vector<std::string>& args, Communicator& comm);

struct Command {
  const char* name;     // "ids build"
  const char* summary;  // one line for `tutti --help`
  CommandFunction run;
};
std::span<const Command> all_commands();  // in the order of the road

int run_import_mpd(const std::vector<std::string>& args, Communicator& comm);
int run_import_tags(const std::vector<std::string>& args, Communicator& comm);
int run_import_csv(const std::vector<std::string>& args, Communicator& comm);
int run_synth(const std::vector<std::string>& args, Communicator& comm);
int run_inspect(const std::vector<std::string>& args, Communicator& comm);
int run_embed_cf(const std::vector<std::string>& args, Communicator& comm);
int run_embed_rq_vae(const std::vector<std::string>& args, Communicator& comm);
int run_embed_text(const std::vector<std::string>& args, Communicator& comm);
int run_embed_evaluate(const std::vector<std::string>& args, Communicator& comm);
int run_embed_fold_in(const std::vector<std::string>& args, Communicator& comm);
int run_embed_import(const std::vector<std::string>& args, Communicator& comm);
int run_ids_build(const std::vector<std::string>& args, Communicator& comm);
int run_ids_drift(const std::vector<std::string>& args, Communicator& comm);
int run_ids_rebuild(const std::vector<std::string>& args, Communicator& comm);
int run_ids_report(const std::vector<std::string>& args, Communicator& comm);
int run_preflight(const std::vector<std::string>& args, Communicator& comm);
int run_train_biencoder(const std::vector<std::string>& args, Communicator& comm);
int run_train(const std::vector<std::string>& args, Communicator& comm);
int run_checkpoint_list(const std::vector<std::string>& args, Communicator& comm);
int run_checkpoint_verify(const std::vector<std::string>& args, Communicator& comm);
int run_checkpoint_prune(const std::vector<std::string>& args, Communicator& comm);
int run_evaluate(const std::vector<std::string>& args, Communicator& comm);
int run_report(const std::vector<std::string>& args, Communicator& comm);
int run_compare_ids(const std::vector<std::string>& args, Communicator& comm);
int run_sweep(const std::vector<std::string>& args, Communicator& comm);
int run_recommend(const std::vector<std::string>& args, Communicator& comm);
int run_export(const std::vector<std::string>& args, Communicator& comm);

}  // namespace tutti::launch
