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
    const unsigned __int128 increment = (Join(words[2], words[3]) << 1) | 1;
    increment_ = Halves(increment);
    // the first step from zero leaves just the increment
    state_ = Halves(increment + Join(words[0], words[1]));
    Advance();
  }

  std::uint64_t Next64() {
    Advance();
    return Output(state_);
  }

  // Generator.random(): uniform in [0, 1).
  double NextDouble() { return static_cast<double>(Next64() >> 11) * 0x1p-53; }

  // Generator.uniform(low, high).
  double Uniform(double low, double high) { return low + (high - low) * NextDouble(); }

 protected:
  // A number of 128 bits as two of 64. A compiler that stores it in one piece brings the halves
  // together through memory, which takes longer than all else that a draw does.
  struct alignas(16) Wide {
    std::uint64_t low = 0, high = 0;
  };

  static Wide Halves(unsigned __int128 number) {
    return {static_cast<std::uint64_t>(number), static_cast<std::uint64_t>(number >> 64)};
  }

  static unsigned __int128 Join(std::uint64_t high, std::uint64_t low) {
    return (static_cast<unsigned __int128>(high) << 64) | low;
  }

  Wide After(Wide state) const {
    return Halves(Join(state.high, state.low) * Join(0x2360ED051FC65DA4, 0x4385DF649FCCF645) +
                  Join(increment_.high, increment_.low));
  }

  void Advance() { state_ = After(state_); }

  static std::uint64_t Output(Wide state) {
    const std::uint64_t folded = state.high ^ state.low;
    const auto turn = static_cast<unsigned>(state.high >> 58);
    return (folded >> turn) | (folded << (-turn & 63));
  }

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

  Wide state_, increment_;
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

  // What the next draws of Next32 would give, 2 * kPairs of them at least, worked out without a
  // branch: nobody can guess whether a half is kept. Take(n) moves the stream past n of them.
  template <int kPairs>
  class Ahead {
   public:
    explicit Ahead(NumpyIntegers& stream) : stream_(stream), first_(stream.has_half_ ? 0 : 1) {
      Wide state = stream.state_;
      low_[0] = state.low;
      high_[0] = state.high;
      words_[0] = stream.half_;
      for (int k = 1; k <= kPairs; ++k) {
        state = stream.After(state);
        low_[k] = state.low;
        high_[k] = state.high;
        const std::uint64_t both = Output(state);
        words_[2 * k - 1] = static_cast<std::uint32_t>(both);
        words_[2 * k] = static_cast<std::uint32_t>(both >> 32);
      }
    }

    std::uint32_t operator[](int k) const { return words_[first_ + k]; }

    void Take(int n) {
      const int end = first_ + n, pairs = end / 2;
      stream_.state_.low = low_[pairs];
      stream_.state_.high = high_[pairs];
      stream_.half_ = words_[2 * pairs];
      stream_.has_half_ = end % 2 == 0;
    }

   private:
    NumpyIntegers& stream_;
    int first_;
    std::uint32_t words_[2 * kPairs + 1];
    std::uint64_t low_[kPairs + 1], high_[kPairs + 1];
  };

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
