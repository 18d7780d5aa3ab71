#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoints/safetensors.h"
#include "dist/runtime/artefact.h"

namespace tutti::checkpoints {

// A stretch of a tensor, taken as the flat array that it is: elements `first` .. `first` + `count`.
struct TensorSlice {
  NamedTensor whole;  // its name, type and shape; `data` points to element `first`
  int64_t first = 0, count = 0;
};

// What one rank writes of a checkpoint: whole tensors of the model, so that any reader of
// safetensors can use the files, and slices of the optimizer's. The shards of all ranks together
// are the whole.
struct Shard {
  int rank = 0, num_ranks = 1;
  std::vector<NamedTensor> model;
  std::vector<TensorSlice> optimizer;
};

// The tensors that `rank` of `num_ranks` writes: every tensor goes to one rank, the bytes of the
// ranks are about equal, and all ranks come to the same result.
std::vector<NamedTensor> share_of(const std::vector<NamedTensor>& tensors, int rank, int num_ranks);

// "model.safetensors" for one rank; "model-00001-of-00002.safetensors" for the first of two.
std::string shard_file(const std::string& stem, int rank, int num_ranks);

// Writes the files of a shard into a folder that is there. They are on the disk on return. Gives
// back their sizes and hashes. StorageError when anything cannot be written.
std::map<std::string, FileEntry> write_shard_files(const std::filesystem::path& folder,
                                                   const Shard& shard);

// A copy of the values of a shard, which lets training go on while they are written.
class ShardCopy {
 public:
  explicit ShardCopy(Shard shard);
  const Shard& shard() const { return shard_; }

 private:
  Shard shard_;
  std::vector<std::byte> bytes_;
};

// The tensors of all shards of one kind ("model", "optimizer"), whatever number of ranks wrote
// them. Files are mapped: tensors stay valid while the object lives.
class ShardedTensors {
 public:
  // The files of `stem` that the manifest lists. DataError when there is none, when one cannot be
  // read, and when slices do not make up whole tensors.
  static ShardedTensors open(const std::filesystem::path& folder, const Manifest& manifest,
                             const std::string& stem);

  // Those that are stored whole.
  const std::vector<NamedTensor>& tensors() const { return whole_; }
  const NamedTensor* find(const std::string& name) const;
  // DataError unless the tensor is there, whole, with this type and shape.
  const NamedTensor& require(const std::string& name, TensorType type,
                             std::span<const int64_t> shape) const;
  const std::map<std::string, std::string>& metadata() const { return files_.front().metadata(); }

  // Copies elements `first` .. `first` + `count` of a tensor of this type and shape to `out`, from
  // however many slices. DataError unless the tensor is there.
  void copy(const std::string& name, TensorType type, std::span<const int64_t> shape, int64_t first,
            int64_t count, void* out) const;

 private:
  void take(const std::filesystem::path& path);
  void check_whole() const;
  [[noreturn]] void refuse(const std::string& name, const std::string& found,
                           const std::string& expected) const;

  std::filesystem::path first_file_;
  std::vector<SafetensorsFile> files_;
  std::vector<NamedTensor> whole_;
  std::map<std::string, std::map<int64_t, TensorSlice>> slices_;  // by name and first element
};

}  // namespace tutti::checkpoints
