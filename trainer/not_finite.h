#pragma once

#include <span>
#include <string>

#include "dist/communicator.h"
#include "trainer/models/parameters.h"

namespace tutti::trainer {

// Where a step went bad whose loss or summed gradient is not finite. Equal on all ranks.
struct NotFinitePlace {
  std::string phase;  // "loss", "backward" or "sum"
  int rank = -1;      // the lowest one that it began on; -1: on no single one
  std::string text;   // "the gradient of rank 3 (decoder.final_layer_norm.weight)"
};

// Of a step in which the losses of some ranks are not finite. Collective.
NotFinitePlace place_of_bad_loss(Communicator& comm, bool is_mine);

// Of a step in which all losses are finite and the summed gradient is not. The parameters hold what
// this rank computed by itself, once more: sums are made in place. When that is finite on all
// ranks, the sum or the norm of it overflowed, or memory or network had a fault that did not come
// again. Collective.
NotFinitePlace place_of_bad_gradient(Communicator& comm, std::span<const Parameter> parameters);

}  // namespace tutti::trainer
