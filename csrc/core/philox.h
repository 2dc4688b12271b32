// Philox4x32-10: a counter-based generator. Its output is a pure function of (counter, key), so a
// draw depends on what it is for and never on which thread made it or on what was drawn before.
//
// Values only: no state is shared, everything is thread-safe, nothing allocates.
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
#pragma once

#include <array>
#include <cstdint>

namespace rollout {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

constexpr PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// The numbers of one site: an endless sequence fixed by (seed, episode, step, site). A site is a
// constant that the caller gives to each place that draws, so that no two places share numbers.
class PhiloxStream {
 public:
  constexpr PhiloxStream(std::uint64_t seed, std::uint32_t episode, std::uint32_t step,
                         std::uint32_t site)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, site, step, episode} {}

  constexpr std::uint32_t Next32() {
    if (used_ == 4) {
      block_ = Philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  // Uniform in [0, 1) with 53 random bits.
  constexpr double NextDouble() {
    const std::uint64_t high = Next32() >> 5, low = Next32() >> 6;
    return static_cast<double>((high << 26) | low) * 0x1p-53;
  }

  // Uniform in [0, n), n > 0, without bias (Lemire 2019: multiply, reject the short remainder).
  constexpr std::uint32_t Below(std::uint32_t n) {
    std::uint64_t product = std::uint64_t{Next32()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t threshold = -n % n;
      while (static_cast<std::uint32_t>(product) < threshold) {
        product = std::uint64_t{Next32()} * n;
      }
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  int used_ = 4;
};

}  // namespace rollout
