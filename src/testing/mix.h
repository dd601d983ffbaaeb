// Hashing and random numbers that are the same on every machine, so that a seed names a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace xtree::testing {

// The finisher of SplitMix64: every bit of the input changes half of the output.
constexpr std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  return mix(a * 0x9E3779B97F4A7C15u + mix(b + 0x2545F4914F6CDD1Du));
}

// Four independent lanes, so that a page takes a fraction of a microsecond.
inline std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kFactor = 0x9FB21C651E98DF25u;
  std::uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};
  std::size_t at = 0;
  for (; at + sizeof lanes <= bytes.size(); at += sizeof lanes) {
    std::uint64_t words[4];
    std::memcpy(words, bytes.data() + at, sizeof words);
    for (int i = 0; i < 4; ++i) {
      lanes[i] = (lanes[i] ^ words[i]) * kFactor;
      lanes[i] ^= lanes[i] >> 29;
    }
  }
  std::uint64_t tail[4] = {};
  if (at < bytes.size()) std::memcpy(tail, bytes.data() + at, bytes.size() - at);
  std::uint64_t hash = mix(seed, bytes.size());
  for (int i = 0; i < 4; ++i) hash = mix(hash ^ lanes[i], tail[i]);
  return hash;
}

// SplitMix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept { return mix(state_ += 0x9E3779B97F4A7C15u); }
  // 0 to n - 1.
  std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
  bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace xtree::testing
