// The stream of numpy.random.Generator(PCG64(SeedSequence(seed))), bit for bit, for environments
// that promise another package's resets. Others draw from philox.h.
//
// A plain value: copying it copies the stream. Thread-safe for distinct values, never allocates.
// Sources: O'Neill 2014 (PCG XSL-RR 128/64); NumPy's SeedSequence (O'Neill's seed_seq_fe).
#pragma once

#include <array>
#include <cstdint>

namespace rollout {

class NumpyGenerator {
 public:
  void Seed(std::uint64_t seed) {
    const std::array<std::uint64_t, 4> words = SeedWords(seed);
    const unsigned __int128 start = Join(words[0], words[1]);
    increment_ = (Join(words[2], words[3]) << 1) | 1;
    state_ = increment_ + start;  // the first step from zero leaves just the increment
    Advance();
  }

  std::uint64_t Next64() {
    Advance();
    const auto folded =
        static_cast<std::uint64_t>(state_ >> 64) ^ static_cast<std::uint64_t>(state_);
    const auto turn = static_cast<unsigned>(state_ >> 122);
    return (folded >> turn) | (folded << (-turn & 63));
  }

  // Generator.random(): uniform in [0, 1).
  double NextDouble() { return static_cast<double>(Next64() >> 11) * 0x1p-53; }

  // Generator.uniform(low, high).
  double Uniform(double low, double high) { return low + (high - low) * NextDouble(); }

 private:
  static unsigned __int128 Join(std::uint64_t high, std::uint64_t low) {
    return (static_cast<unsigned __int128>(high) << 64) | low;
  }

  void Advance() { state_ = state_ * Join(0x2360ED051FC65DA4, 0x4385DF649FCCF645) + increment_; }

  // SeedSequence(seed).generate_state(4, uint64): hash the seed's 32-bit words into a pool of four,
  // mix every word into every other, then hash the pool out.
  static std::array<std::uint64_t, 4> SeedWords(std::uint64_t seed) {
    constexpr std::uint32_t kInitA = 0x43b0d7e5, kMultA = 0x931e8875;
    constexpr std::uint32_t kInitB = 0x8b51f9dd, kMultB = 0x58f38ded;
    constexpr std::uint32_t kMixLeft = 0xca01f9dd, kMixRight = 0x4973f715;

    std::uint32_t constant = kInitA;
    const auto hash = [&constant](std::uint32_t value) {
      value ^= constant;
      constant *= kMultA;
      value *= constant;
      return value ^ (value >> 16);
    };
    const auto mix = [](std::uint32_t x, std::uint32_t y) {
      const std::uint32_t mixed = kMixLeft * x - kMixRight * y;
      return mixed ^ (mixed >> 16);
    };
    // a seed below 2^32 has one word; the pool is filled up with zeros, which is the same
    std::array<std::uint32_t, 4> pool = {hash(static_cast<std::uint32_t>(seed)),
                                         hash(static_cast<std::uint32_t>(seed >> 32)), hash(0),
                                         hash(0)};
    for (int from = 0; from < 4; ++from) {
      for (int to = 0; to < 4; ++to) {
        if (from != to) pool[to] = mix(pool[to], hash(pool[from]));
      }
    }

    std::array<std::uint64_t, 4> words{};
    constant = kInitB;
    for (int i = 0; i < 8; ++i) {
      std::uint32_t value = pool[i % 4] ^ constant;
      constant *= kMultB;
      value *= constant;
      value ^= value >> 16;
      words[i / 2] |= static_cast<std::uint64_t>(value) << (32 * (i % 2));
    }
    return words;
  }

  unsigned __int128 state_ = 0;
  unsigned __int128 increment_ = 0;
};

// The same stream with Generator.integers, which takes a draw in two halves, the low one first, and
// keeps the other for the next integer; doubles pass it by.
class NumpyIntegers : public NumpyGenerator {
 public:
  void Seed(std::uint64_t seed) {
    NumpyGenerator::Seed(seed);
    has_half_ = false;
  }

  std::uint32_t Next32() {
    has_half_ = !has_half_;
    if (!has_half_) return half_;
    const std::uint64_t both = Next64();
    half_ = static_cast<std::uint32_t>(both >> 32);
    return static_cast<std::uint32_t>(both);
  }

  // Generator.integers(low, high), one of them, for ranges below 2^32. Of a range of one nothing is
  // drawn. (Lemire 2019: multiply, reject the short remainder.)
  std::int64_t Integer(std::int64_t low, std::int64_t high) {
    const auto n = static_cast<std::uint32_t>(high - low);
    if (n == 1) return low;
    std::uint64_t product = std::uint64_t{Next32()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t threshold = -n % n;
      while (static_cast<std::uint32_t>(product) < threshold) {
        product = std::uint64_t{Next32()} * n;
      }
    }
    return low + static_cast<std::int64_t>(product >> 32);
  }

 private:
  std::uint32_t half_ = 0;
  bool has_half_ = false;
};

}  // namespace rollout
