// The stream of numpy.random.RandomState(seed), bit for bit: the Mersenne Twister behind NumPy's
// legacy generator, for environments that promise another package's draws.
//
// A plain value of 2.5 KB: copying it copies the stream. Words are made one at a time, as they are
// asked for: a draw touches two cache lines, and no call pays for 624 words at once.
// Thread-safe for distinct values, never allocates.
// Source: Matsumoto and Nishimura 1998, "Mersenne twister"; the doubles and the masked integers of
// NumPy's legacy generator.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace rollout {

class NumpyRandomState {
 public:
  // RandomState(seed); it takes no int from 2^32 on: there this is RandomState([low, high]), the
  // seed's two words.
  void Seed(std::uint64_t seed) {
    const auto low = static_cast<std::uint32_t>(seed);
    const auto high = static_cast<std::uint32_t>(seed >> 32);
    if (high == 0) {
      SeedWord(low);
    } else {
      SeedWords({low, high});
    }
  }

  std::uint32_t Next32() {
    const int i = next_;
    const int after = i + 1 == kWords ? 0 : i + 1;
    const int far = i < kWords - kShift ? i + kShift : i + kShift - kWords;
    const std::uint32_t joined = (words_[i] & 0x80000000U) | (words_[after] & 0x7fffffffU);
    std::uint32_t word = words_[far] ^ (joined >> 1) ^ (-(joined & 1U) & 0x9908b0dfU);
    words_[i] = word;
    next_ = after;

    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680U;
    word ^= (word << 15) & 0xefc60000U;
    return word ^ (word >> 18);
  }

  // RandomState.rand(): uniform in [0, 1) with 53 random bits.
  double NextDouble() {
    const std::uint64_t high = Next32() >> 5, low = Next32() >> 6;
    return static_cast<double>((high << 26) | low) * 0x1p-53;
  }

  // RandomState.randint(n), n > 0: mask, and reject what is too large. One value needs no draw.
  std::uint32_t Below(std::uint32_t n) {
    const std::uint32_t most = n - 1;
    if (most == 0) return 0;
    const std::uint32_t mask = 0xffffffffU >> std::countl_zero(most);
    std::uint32_t value = 0;
    do {
      value = Next32() & mask;
    } while (value > most);
    return value;
  }

 private:
  static constexpr int kWords = 624, kShift = 397;

  void SeedWord(std::uint32_t seed) {
    words_[0] = seed;
    for (int i = 1; i < kWords; ++i) {
      words_[i] =
          1812433253U * (words_[i - 1] ^ (words_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);
    }
    next_ = 0;
  }

  void SeedWords(const std::array<std::uint32_t, 2>& key) {
    SeedWord(19650218U);
    int i = 1;
    const auto follow = [this, &i] {
      if (++i == kWords) {
        words_[0] = words_[kWords - 1];
        i = 1;
      }
    };
    for (std::uint32_t k = 0; k < kWords; ++k) {
      const std::uint32_t last = words_[i - 1];
      words_[i] = (words_[i] ^ ((last ^ (last >> 30)) * 1664525U)) + key[k % 2] + k % 2;
      follow();
    }
    for (int k = 1; k < kWords; ++k) {
      const std::uint32_t last = words_[i - 1];
      words_[i] =
          (words_[i] ^ ((last ^ (last >> 30)) * 1566083941U)) - static_cast<std::uint32_t>(i);
      follow();
    }
    words_[0] = 0x80000000U;
  }

  std::array<std::uint32_t, kWords> words_;
  std::int32_t next_;
};

}  // namespace rollout
