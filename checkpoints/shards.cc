#include "checkpoints/shards.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

// A slice is stored under the name of its tensor and its first element; the shapes of the tensors
// are in the file's metadata.
constexpr char kSliceMark = '@';

std::string shape_text(std::span<const int64_t> shape) {
  return nlohmann::json(std::vector<int64_t>(shape.begin(), shape.end())).dump();
}

int64_t num_elements_of(std::span<const int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

void write_optimizer(const fs::path& path, const std::vector<TensorSlice>& slices) {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata{{"format", "pt"}};
  for (const TensorSlice& slice : slices) {
    if (slice.first == 0 && slice.count == slice.whole.num_elements()) {
      tensors.push_back(slice.whole);
      continue;
    }
    tensors.push_back({.name = fmt::format("{}{}{}", slice.whole.name, kSliceMark, slice.first),
                       .type = slice.whole.type,
                       .shape = {slice.count},
                       .data = slice.whole.data});
    metadata[slice.whole.name] = shape_text(slice.whole.shape);
  }
  write_safetensors(path, std::move(tensors), metadata);
}

}  // namespace

std::vector<NamedTensor> share_of(const std::vector<NamedTensor>& tensors, int rank,
                                  int num_ranks) {
  // Large ones first, each to the rank with the fewest bytes so far.
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return tensors[a].num_bytes() > tensors[b].num_bytes();
  });
  std::vector<int64_t> bytes(static_cast<size_t>(num_ranks), 0);
  std::vector<NamedTensor> mine;
  for (const size_t i : order) {
    const auto least = std::min_element(bytes.begin(), bytes.end());
    *least += tensors[i].num_bytes();
    if (least - bytes.begin() == rank) mine.push_back(tensors[i]);
  }
  return mine;
}

std::string shard_file(const std::string& stem, int rank, int num_ranks) {
  if (num_ranks == 1) return stem + ".safetensors";
  return fmt::format("{}-{:05}-of-{:05}.safetensors", stem, rank + 1, num_ranks);
}

std::map<std::string, FileEntry> write_shard_files(const fs::path& folder, const Shard& shard) {
  std::vector<std::string> names = {shard_file("model", shard.rank, shard.num_ranks)};
  write_safetensors(folder / names[0], shard.model, {{"format", "pt"}});
  if (!shard.optimizer.empty()) {
    names.push_back(shard_file("optimizer", shard.rank, shard.num_ranks));
    write_optimizer(folder / names[1], shard.optimizer);
  }
  std::map<std::string, FileEntry> entries;
  for (const std::string& name : names) {
    entries[name] = {static_cast<int64_t>(fs::file_size(folder / name)),
                     sha256_of_file(folder / name)};
  }
  return entries;
}

ShardCopy::ShardCopy(Shard shard) : shard_(std::move(shard)) {
  int64_t total = 0;
  for (const NamedTensor& tensor : shard_.model) total += tensor.num_bytes();
  for (const TensorSlice& slice : shard_.optimizer)
    total += slice.count * size_of(slice.whole.type);
  bytes_.resize(static_cast<size_t>(total));
  std::byte* next = bytes_.data();
  const auto take = [&next](const void*& data, int64_t num_bytes) {
    if (num_bytes > 0) std::memcpy(next, data, static_cast<size_t>(num_bytes));
    data = next;
    next += num_bytes;
  };
  for (NamedTensor& tensor : shard_.model) take(tensor.data, tensor.num_bytes());
  for (TensorSlice& slice : shard_.optimizer)
    take(slice.whole.data, slice.count * size_of(slice.whole.type));
}

ShardedTensors ShardedTensors::open(const fs::path& folder, const Manifest& manifest,
                                    const std::string& stem) {
  ShardedTensors all;
  for (const auto& [name, entry] : manifest.files) {
    if (name == stem + ".safetensors" || name.starts_with(stem + "-")) all.take(folder / name);
  }
  if (all.files_.empty()) {
    throw DataError(Problem{.file = (folder / "manifest.json").string(),
                            .place = "files",
                            .found = fmt::format("no {}", shard_file(stem, 0, 1)),
                            .expected = "a checkpoint that 'tutti train' wrote",
                            .cure = {}});
  }
  all.check_whole();
  return all;
}

void ShardedTensors::take(const fs::path& path) {
  if (files_.empty()) first_file_ = path;
  files_.push_back(SafetensorsFile::open(path));
  const SafetensorsFile& file = files_.back();
  for (const NamedTensor& tensor : file.tensors()) {
    const size_t mark = tensor.name.rfind(kSliceMark);
    TensorSlice slice{.whole = tensor, .first = 0, .count = tensor.num_elements()};
    if (mark == std::string::npos) {
      whole_.push_back(tensor);
    } else {
      slice.whole.name = tensor.name.substr(0, mark);
      const char* end = tensor.name.data() + tensor.name.size();
      const auto [stop, problem] = std::from_chars(tensor.name.data() + mark + 1, end, slice.first);
      const auto shape = file.metadata().find(slice.whole.name);
      const nlohmann::json parsed =
          shape == file.metadata().end()
              ? nlohmann::json()
              : nlohmann::json::parse(shape->second, nullptr, /*allow_exceptions=*/false);
      if (problem != std::errc() || stop != end || !parsed.is_array()) {
        throw DataError(Problem{.file = path.string(),
                                .place = "tensor '" + tensor.name + "'",
                                .found = "a slice without its place or shape",
                                .expected = "NAME@FIRST, and the shape of NAME in the metadata",
                                .cure = {}});
      }
      slice.whole.shape = parsed.get<std::vector<int64_t>>();
    }
    const bool is_new = slices_[slice.whole.name].emplace(slice.first, slice).second;
    if (!is_new) refuse(slice.whole.name, "two slices that start at one element", "one");
  }
}

void ShardedTensors::check_whole() const {
  for (const auto& [name, slices] : slices_) {
    const NamedTensor& whole = slices.begin()->second.whole;
    int64_t next = 0;
    for (const auto& [first, slice] : slices) {
      if (first != next || slice.whole.shape != whole.shape || slice.whole.type != whole.type) {
        refuse(name,
               fmt::format("a slice of shape {} from element {}", shape_text(slice.whole.shape),
                           first),
               fmt::format("one of shape {} from element {}", shape_text(whole.shape), next));
      }
      next += slice.count;
    }
    if (next != num_elements_of(whole.shape)) {
      refuse(name, fmt::format("{} elements", next),
             fmt::format("{}", num_elements_of(whole.shape)));
    }
  }
}

void ShardedTensors::refuse(const std::string& name, const std::string& found,
                            const std::string& expected) const {
  throw DataError(Problem{.file = first_file_.string(),
                          .place = "tensor '" + name + "' of all shards",
                          .found = found,
                          .expected = expected,
                          .cure = {}});
}

const NamedTensor* ShardedTensors::find(const std::string& name) const {
  const auto it = std::find_if(whole_.begin(), whole_.end(),
                               [&name](const NamedTensor& tensor) { return tensor.name == name; });
  return it == whole_.end() ? nullptr : &*it;
}

const NamedTensor& ShardedTensors::require(const std::string& name, TensorType type,
                                           std::span<const int64_t> shape) const {
  // The file that holds it, or the first one, says what is wrong.
  for (const SafetensorsFile& file : files_) {
    if (file.find(name) != nullptr) return file.require(name, type, shape);
  }
  return files_.front().require(name, type, shape);
}

void ShardedTensors::copy(const std::string& name, TensorType type, std::span<const int64_t> shape,
                          int64_t first, int64_t count, void* out) const {
  const auto found = slices_.find(name);
  if (found == slices_.end()) {
    refuse(name, "nothing", fmt::format("{} of shape {}", name_of(type), shape_text(shape)));
  }
  const NamedTensor& whole = found->second.begin()->second.whole;
  if (whole.type != type ||
      !std::equal(shape.begin(), shape.end(), whole.shape.begin(), whole.shape.end())) {
    refuse(name, fmt::format("{} of shape {}", name_of(whole.type), shape_text(whole.shape)),
           fmt::format("{} of shape {}", name_of(type), shape_text(shape)));
  }
  TUTTI_CHECK(first >= 0 && count >= 0 && first + count <= num_elements_of(shape));
  const int64_t bytes = size_of(type);
  auto* to = static_cast<std::byte*>(out);
  for (const auto& [begin, slice] : found->second) {
    const int64_t from = std::max(first, begin);
    const int64_t until = std::min(first + count, begin + slice.count);
    if (from >= until) continue;
    std::memcpy(to + (from - first) * bytes,
                static_cast<const std::byte*>(slice.whole.data) + (from - begin) * bytes,
                static_cast<size_t>((until - from) * bytes));
  }
}

}  // namespace tutti::checkpoints
