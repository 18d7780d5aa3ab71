#pragma once

#include "data/dataset.h"

namespace tutti::data {

// What was learned from one dataset may be carried over to a newer one only if it does not know
// what that holds out. DataError when the newer dataset holds out a playlist that the older one
// trains on, naming one and how many; the split by hash never does while its seed and shares stay.
// Reads all playlist keys of both.
void require_successor(const Dataset& older, const Dataset& newer);

}  // namespace tutti::data
