#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "dist/runtime/folder_lock.h"
#include "trainer/baselines/bi_encoder.h"
#include "trainer/baselines/bi_encoder_trainer.h"

namespace tutti::trainer {

// What the fine-tuning of a bi-encoder goes on from when its job was killed: OUT.training/, a
// folder like a run's beside the bi-encoder that will stand at OUT. Two checkpoints are kept, each
// whole or absent; done() deletes the folder.
class BiEncoderCheckpoints {
 public:
  // `config`: the options that shape the result; `made_from`: hashes of dataset and base.
  BiEncoderCheckpoints(const std::filesystem::path& out, nlohmann::json config,
                       std::map<std::string, std::string> made_from);

  const std::filesystem::path& folder() const { return folder_; }
  bool any() const;  // whether there is a checkpoint

  // Fills in the newest good one; gives back the steps that were done. On every rank. DataError
  // when it was made from other data, UsageError naming the option that differs.
  int64_t load(BiEncoder& encoder, BiEncoderTrainer& trainer) const;

  // The rest is for rank 0.
  void lock();  // UsageError when another job writes the folder; makes it
  void save(int64_t step, const BiEncoder& encoder, const BiEncoderTrainer& trainer) const;
  void done();  // also: forgets what an earlier job left

 private:
  std::filesystem::path folder_;
  nlohmann::json config_;
  std::map<std::string, std::string> made_from_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace tutti::trainer
