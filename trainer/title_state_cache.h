#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "dist/communicator.h"
#include "trainer/models/id_model.h"
#include "trainer/title_states.h"

namespace tutti::trainer {

// What a frozen encoder's token states of these titles depend on: the values and the shape of what
// is frozen, the precision that it computes in, and the tokens. SHA-256.
std::string title_states_key(const IdModel& model, const TitleList& titles);

struct TitleStatesReport {
  std::filesystem::path path;  // of the artefact
  bool was_there = false;
  int64_t num_titles = 0, num_bytes = 0;
};

// Reads every title once with the model's frozen layers, and lets its memo know the states. They
// are kept on disk: FOLDER/KEY/, an artefact of kind "title-states" made from "key", with a file a
// rank, states-00001-of-00002.safetensors, that holds the blocks (title_states.h) the rank has
// read, fp32. What is there under that key is taken, whatever number of ranks wrote it; what is
// damaged, or was made from another key, is made anew. Mapped, not copied, where the model is in
// host memory.
//
// Collective; FOLDER is one that all ranks see. `progress`: titles that this rank has read so far.
// StorageError when it cannot be written.
TitleStatesReport know_titles(IdModel& model, const TitleList& titles,
                              const std::filesystem::path& folder, Communicator& comm,
                              const std::function<void(int64_t)>& progress = {});

}  // namespace tutti::trainer
