#include "dist/runtime/rng.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dist/runtime/errors.h"

namespace tutti {
namespace {

__extension__ using uint128 = unsigned __int128;

constexpr int kFeistelRounds = 8;
// Block number of the Philox block that keys a Permutation: no Rng reaches it (see next_u32).
constexpr uint32_t kPermutationBlock = 0xFFFFFFFFU;

uint32_t low32(uint64_t v) {
  return static_cast<uint32_t>(v);
}
uint32_t high32(uint64_t v) {
  return static_cast<uint32_t>(v >> 32);
}

std::array<uint32_t, 2> key_of(uint64_t seed) {
  return {low32(seed), high32(seed)};
}

std::array<uint32_t, 4> counter_of(uint32_t block, Purpose purpose, uint64_t index) {
  return {block, static_cast<uint32_t>(purpose), low32(index), high32(index)};
}

}  // namespace

namespace {

// One word of several counters.
template <size_t kSide>
struct Side {
  std::array<uint32_t, kSide> word;
};

constexpr uint64_t kMultiplier0 = 0xD2511F53U, kMultiplier1 = 0xCD9E8D57U;
constexpr uint32_t kWeyl0 = 0x9E3779B9U, kWeyl1 = 0xBB67AE85U;
constexpr int kRounds = 10;

// Ten rounds on kSide counters at once; plain loops, which the compiler turns into vector code.
template <size_t kSide>
void rounds(std::array<Side<kSide>, 4>& c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < kSide; ++i) {
      const uint64_t product0 = kMultiplier0 * c[0].word[i], product1 = kMultiplier1 * c[2].word[i];
      c[0].word[i] = high32(product1) ^ c[1].word[i] ^ key[0];
      c[1].word[i] = low32(product1);
      c[2].word[i] = high32(product0) ^ c[3].word[i] ^ key[1];
      c[3].word[i] = low32(product0);
    }
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  std::array<Side<1>, 4> c = {{{{counter[0]}}, {{counter[1]}}, {{counter[2]}}, {{counter[3]}}}};
  rounds(c, key);
  return {c[0].word[0], c[1].word[0], c[2].word[0], c[3].word[0]};
}

void philox4x32_run(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key,
                    std::span<uint32_t> out) {
  constexpr size_t kSide = 16;
  for (size_t first = 0; first < out.size(); first += 4 * kSide) {
    std::array<Side<kSide>, 4> c;
    for (size_t i = 0; i < kSide; ++i) {
      c[0].word[i] = counter[0] + static_cast<uint32_t>(first / 4 + i);
      for (size_t w = 1; w < 4; ++w) c[w].word[i] = counter[w];
    }
    rounds(c, key);
    const size_t count = std::min(4 * kSide, out.size() - first);
    for (size_t i = 0; i < count; ++i) out[first + i] = c[i % 4].word[i / 4];
  }
}

Rng::Rng(uint64_t seed, Purpose purpose, uint64_t index)
    : key_(key_of(seed)), counter_(counter_of(0, purpose, index)), block_{} {}

uint32_t Rng::next_u32() {
  if (used_ == 4) {
    TUTTI_CHECK(counter_[0] != kPermutationBlock, "a stream has 2^34 numbers");
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint64_t Rng::next_u64() {
  const uint64_t low = next_u32();
  return low | static_cast<uint64_t>(next_u32()) << 32;
}

double Rng::uniform() {
  return static_cast<double>(next_u64() >> 11) * 0x1p-53;
}

// Lemire, "Fast random integer generation in an interval", ACM TOMACS 2019.
uint64_t Rng::below(uint64_t n) {
  TUTTI_CHECK(n > 0);
  uint128 product = static_cast<uint128>(next_u64()) * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t biased = (0 - n) % n;  // 2^64 mod n
    while (static_cast<uint64_t>(product) < biased) product = static_cast<uint128>(next_u64()) * n;
  }
  return static_cast<uint64_t>(product >> 64);
}

double Rng::normal() {
  if (has_spare_normal_) {
    has_spare_normal_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 - u: in (0, 1]
  const double angle = 2 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_normal_ = true;
  return radius * std::cos(angle);
}

uint64_t random_u64(uint64_t seed, Purpose purpose, uint64_t index) {
  const auto block = philox4x32(counter_of(0, purpose, index), key_of(seed));
  return block[0] | static_cast<uint64_t>(block[1]) << 32;
}

Permutation::Permutation(uint64_t n, uint64_t seed, Purpose purpose, uint64_t index)
    : n_(n), half_bits_(1) {
  while (half_bits_ < 32 && (uint64_t{1} << (2 * half_bits_)) < n) ++half_bits_;
  const auto words = philox4x32(counter_of(kPermutationBlock, purpose, index), key_of(seed));
  key_ = {words[0], words[1]};
  tweak_ = {words[2], words[3]};
}

uint64_t Permutation::operator()(uint64_t i) const {
  TUTTI_CHECK(i < n_);
  const uint32_t mask = half_bits_ == 32 ? ~0U : (1U << half_bits_) - 1;
  uint64_t value = i;
  do {  // cycle walking: the domain is a power of four, at most 4n
    auto left = static_cast<uint32_t>(value >> half_bits_);
    auto right = static_cast<uint32_t>(value) & mask;
    for (uint32_t round = 0; round < kFeistelRounds; ++round) {
      const auto word = philox4x32({right, round, tweak_[0], tweak_[1]}, key_)[0];
      const uint32_t mixed = (left ^ word) & mask;
      left = right;
      right = mixed;
    }
    value = static_cast<uint64_t>(left) << half_bits_ | right;
  } while (value >= n_);
  return value;
}

}  // namespace tutti
