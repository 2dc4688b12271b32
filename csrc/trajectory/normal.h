// Words to uniform and standard normal numbers, eight lanes at a time.
//
// Logarithm, sine and cosine are polynomials in float32 with a fixed order of operations, so that
// the portable and the AVX2 build give the same bits. Against the C library's in double the normal
// numbers are within 2e-6. Values only; thread-safe.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "search/lanes.h"

namespace rollout::trajectory {

using search::F8;
using search::Fill;
using search::I8;
using search::kLanes;
using search::Load;
using search::Select;
using search::Store;
using search::ToFloat;

// Uniform in (0, 1): 23 bits and a half, exact in float32 and away from both ends.
ROLLOUT_INLINE F8 OpenUniform(const std::uint32_t* words) {
  constexpr float kUnit = 0x1p-23f;
  using U8 = std::uint32_t __attribute__((vector_size(32)));
  U8 word;
  std::memcpy(&word, words, sizeof word);
  const U8 high = word >> 9;
  I8 number;
  std::memcpy(&number, &high, sizeof number);
  return (ToFloat(number) + 0.5f) * kUnit;
}

// Natural logarithm of normal positive numbers. Method: Cephes logf.
ROLLOUT_INLINE F8 Log(const F8& x) {
  constexpr float kRootHalf = 0.707106781186547524f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr std::int32_t kMantissa = 0x007FFFFF, kHalfBits = 0x3F000000, kBias = 126;
  I8 bits;
  std::memcpy(&bits, &x, sizeof bits);
  I8 exponent = (bits >> 23) - kBias;
  const I8 fraction_bits = (bits & kMantissa) | kHalfBits;
  F8 m;
  std::memcpy(&m, &fraction_bits, sizeof m);
  const I8 small = m < kRootHalf;
  exponent = exponent + small;  // a true lane is -1
  m = Select(small, m + m, m) - 1.0f;
  const F8 e = ToFloat(exponent), z = m * m;
  F8 y = Fill(7.0376836292e-2f);
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z + e * kLn2Low - z * 0.5f;
  return (m + y) + e * kLn2High;
}

ROLLOUT_INLINE F8 Sqrt(const F8& x) {
  // through memory, where the compiler makes one instruction of the loop
  float lanes[kLanes];
  Store(lanes, x);
  for (float& lane : lanes) lane = std::sqrt(lane);
  return Load(lanes);
}

struct SinCosOf {
  F8 sin, cos;
};

// Sine and cosine of a turn's fraction, 0 <= turn < 1. Method: the nearest quarter is exact, and
// Cephes' polynomials serve the eighth of a turn around it.
ROLLOUT_INLINE SinCosOf SinCosTurn(const F8& turn) {
  constexpr float kTwoPi = 6.283185307179586f;
  const I8 quarter = __builtin_convertvector(turn * 4.0f + 0.5f, I8);
  const F8 x = (turn - ToFloat(quarter) * 0.25f) * kTwoPi, z = x * x;
  F8 s = Fill(-1.9515295891e-4f);
  s = s * z + 8.3321608736e-3f;
  s = s * z - 1.6666654611e-1f;
  s = s * z * x + x;
  F8 c = Fill(2.443315711809948e-5f);
  c = c * z - 1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * z * z - z * 0.5f + 1.0f;
  const I8 odd = (quarter & 1) != 0;
  const I8 sin_negative = (quarter & 2) != 0, cos_negative = ((quarter + 1) & 2) != 0;
  const F8 sine = Select(odd, c, s), cosine = Select(odd, s, c);
  return {Select(sin_negative, -sine, sine), Select(cos_negative, -cosine, cosine)};
}

// Four standard normal numbers a lane from a Philox block of each lane (Box and Muller 1958).
ROLLOUT_INLINE void NormalsOf(const std::uint32_t* words, F8* out) {
  for (std::size_t pair = 0; pair < 2; ++pair) {
    const std::uint32_t* const from = words + pair * 2 * kLanes;
    const F8 radius = Sqrt(Log(OpenUniform(from)) * -2.0f);
    const SinCosOf angle = SinCosTurn(OpenUniform(from + kLanes));
    out[2 * pair] = radius * angle.cos;
    out[2 * pair + 1] = radius * angle.sin;
  }
}

}  // namespace rollout::trajectory
