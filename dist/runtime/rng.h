#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace tutti {

// What a random stream is for: streams of different purposes never overlap. Append only: values are
// part of the bytes we promise.
enum class Purpose : uint32_t {
  kSplit = 1,
  kSynthCatalog = 2,
  kSynthPlaylist = 3,
  kSampler = 4,
  kIalsInit = 5,
  kKMeansSeed = 6,
  kModelInit = 7,
  kDropout = 8,
  kEditorial = 9,
  kIdTokens = 10,
  kBootstrap = 11,
  kContinuation = 12,
  kResample = 20,
  kGroupCap = 13,
  kIdReport = 14,
  kRowSample = 21,
  kRequest = 22,
  kPair = 23,
  kTest = 1000,
};

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011).
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// The outputs for counter[0], counter[0] + 1, ... one behind the other, at several times the speed
// of single calls.
void philox4x32_run(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key,
                    std::span<uint32_t> out);

// A stream of random numbers that is a pure function of (seed, purpose, index): the same on every
// rank and thread, at any world size.
class Rng {
 public:
  // `index`: the global row, playlist, step... that the stream belongs to.
  Rng(uint64_t seed, Purpose purpose, uint64_t index = 0);

  uint32_t next_u32();
  uint64_t next_u64();
  double uniform();            // [0, 1), 53 bits
  uint64_t below(uint64_t n);  // [0, n), unbiased; n > 0
  double normal();             // N(0, 1), Box-Muller, both values used

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_;
  int used_ = 4;
  double spare_normal_ = 0;
  bool has_spare_normal_ = false;
};

// One 64-bit hash of (seed, purpose, index): the first number of that stream, without building it.
uint64_t random_u64(uint64_t seed, Purpose purpose, uint64_t index);

// A keyed permutation of [0, n): value_at(i) visits every value once; O(1) memory (Feistel network
// with cycle walking).
class Permutation {
 public:
  Permutation(uint64_t n, uint64_t seed, Purpose purpose, uint64_t index = 0);
  uint64_t operator()(uint64_t i) const;  // i < n
  uint64_t size() const { return n_; }

 private:
  uint64_t n_;
  int half_bits_;
  std::array<uint32_t, 2> key_, tweak_;  // from (seed, purpose, index)
};

}  // namespace tutti
