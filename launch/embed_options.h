#pragma once

#include "ids/ials.h"
#include "launch/options.h"

namespace tutti::launch {

// What `embed cf` and `embed evaluate` share: how vectors are trained.
struct EmbedOptions {
  ids::IalsOptions ials;
  double prior_strength = 10;  // of shrink_to_priors
  int threads = 1;
};

void add_embed_options(Options& options, EmbedOptions& embed);
void check_embed_options(const EmbedOptions& embed);

// Table of epochs on standard output.
void print_epochs(const std::vector<ids::IalsEpoch>& epochs);

}  // namespace tutti::launch
