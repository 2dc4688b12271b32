// Eight lanes of float or int32: one source for the portable and the AVX2 build of a kernel.
//
// These are GCC/Clang vector types. Every function is always inlined, so it is compiled for the
// target of the function that it ends up in: two SSE2 halves in a portable one, one register in one
// marked `target("avx2")`. Nothing is reassociated or contracted, and every reduction has one fixed
// order, so both builds give the same bits.
//
// Values only; thread-safe; no allocation. Vectors go by const reference, which keeps the portable
// build free of notes about the ABI of wide arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

// no wide vector crosses a real call, so its ABI is nobody's concern, in this file or in users of
// it
#pragma GCC diagnostic ignored "-Wpsabi"

#define ROLLOUT_INLINE inline __attribute__((always_inline))

namespace rollout::search {

inline constexpr int kLanes = 8;

using F8 = float __attribute__((vector_size(32)));
using I8 = std::int32_t __attribute__((vector_size(32)));

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kLowest = std::numeric_limits<float>::lowest();
inline constexpr float kTiny = std::numeric_limits<float>::min();

// a shuffle of one lane: spelt as eight equal lanes, GCC 12 inserts them one by one
ROLLOUT_INLINE F8 Fill(float x) { return __builtin_shuffle(F8{x}, I8{}); }
ROLLOUT_INLINE I8 Fill(std::int32_t x) { return I8{x, x, x, x, x, x, x, x}; }

ROLLOUT_INLINE F8 Load(const float* from) {
  F8 x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
ROLLOUT_INLINE I8 Load(const std::int32_t* from) {
  I8 x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
ROLLOUT_INLINE void Store(float* to, const F8& x) { std::memcpy(to, &x, sizeof x); }
ROLLOUT_INLINE void Store(std::int32_t* to, const I8& x) { std::memcpy(to, &x, sizeof x); }

ROLLOUT_INLINE F8 ToFloat(const I8& x) { return __builtin_convertvector(x, F8); }
ROLLOUT_INLINE F8 Select(const I8& mask, const F8& yes, const F8& no) { return mask ? yes : no; }
ROLLOUT_INLINE F8 Min(const F8& a, const F8& b) { return a < b ? a : b; }
ROLLOUT_INLINE F8 Max(const F8& a, const F8& b) { return a > b ? a : b; }
ROLLOUT_INLINE I8 Min(const I8& a, const I8& b) { return a < b ? a : b; }
ROLLOUT_INLINE I8 Max(const I8& a, const I8& b) { return a > b ? a : b; }

// Reductions fold halves, then quarters, then neighbours, and give the result in all lanes.
#define ROLLOUT_FOLD(name, T, op)                                                 \
  ROLLOUT_INLINE T name(const T& x) {                                             \
    const T half = op(x, __builtin_shuffle(x, I8{4, 5, 6, 7, 0, 1, 2, 3}));       \
    const T pair = op(half, __builtin_shuffle(half, I8{2, 3, 0, 1, 6, 7, 4, 5})); \
    return op(pair, __builtin_shuffle(pair, I8{1, 0, 3, 2, 5, 4, 7, 6}));         \
  }
ROLLOUT_INLINE F8 Add(const F8& a, const F8& b) { return a + b; }
ROLLOUT_INLINE I8 Add(const I8& a, const I8& b) { return a + b; }
ROLLOUT_INLINE I8 Or(const I8& a, const I8& b) { return a | b; }
ROLLOUT_FOLD(MinAcross, F8, Min)
ROLLOUT_FOLD(MaxAcross, F8, Max)
ROLLOUT_FOLD(MinAcross, I8, Min)
ROLLOUT_FOLD(MaxAcross, I8, Max)
ROLLOUT_FOLD(SumAcross, F8, Add)
ROLLOUT_FOLD(SumAcross, I8, Add)
ROLLOUT_FOLD(OrAcross, I8, Or)
#undef ROLLOUT_FOLD

// One bit a lane of a comparison's result, lane 0 lowest.
ROLLOUT_INLINE std::uint32_t Bits(const I8& mask) {
#ifdef __SSE2__
  using F4 = float __attribute__((vector_size(16)));
  const auto low = reinterpret_cast<F4>(__builtin_shufflevector(mask, mask, 0, 1, 2, 3));
  const auto high = reinterpret_cast<F4>(__builtin_shufflevector(mask, mask, 4, 5, 6, 7));
  return static_cast<std::uint32_t>(__builtin_ia32_movmskps(low) | __builtin_ia32_movmskps(high)
                                                                       << 4);
#else
  return static_cast<std::uint32_t>(OrAcross(mask & I8{1, 2, 4, 8, 16, 32, 64, 128})[0]);
#endif
}

// e^x for x <= 0, within 2 units in the last place; exactly 1 at 0, and 0 below the smallest normal
// number. Method: Cephes expf (x = n ln 2 + r, a polynomial in r, n into the exponent).
ROLLOUT_INLINE F8 Exp(const F8& x) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  constexpr float kUnderflow = -87.33f;
  const F8 clamped = Max(x, Fill(kUnderflow));
  const F8 shifted = clamped * kLog2E + kRound;
  const F8 n = shifted - kRound;
  const F8 r = (clamped - n * kLn2High) - n * kLn2Low;
  F8 y = Fill(1.9875691500e-4f);
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  I8 bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  constexpr std::int32_t kRoundBits = 0x4B400000, kExponentBias = 127, kMantissaBits = 23;
  const I8 exponent = (bits - kRoundBits + kExponentBias) << kMantissaBits;
  F8 power;
  std::memcpy(&power, &exponent, sizeof power);
  return Select(x < kUnderflow, Fill(0.0f), y * power);
}

// True in lanes that hold a NaN or an infinity.
ROLLOUT_INLINE I8 NotFinite(const F8& x) { return (x - x) != 0.0f; }

}  // namespace rollout::search
