// Words to uniform and standard normal numbers, eight or sixteen lanes at a time.
//
// Logarithm, sine and cosine are polynomials in float32 with a fixed order of operations, so that
// every build and width gives the same bits. Against the C library's in double the normal numbers
// are within 2e-6. Values only; thread-safe.
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
using search::Store;

using F16 = float __attribute__((vector_size(64)));

// The integers of the lanes of a vector of floats.
template <class F>
using Ints = decltype(F{} < F{});

template <class F>
inline constexpr std::size_t kLanesOf = sizeof(F) / sizeof(float);

// Uniform in (0, 1): 23 bits and a half, exact in float32 and away from both ends.
template <class F>
ROLLOUT_INLINE F OpenUniform(const std::uint32_t* words) {
  constexpr float kUnit = 0x1p-23f;
  Ints<F> word;
  std::memcpy(&word, words, sizeof word);
  const Ints<F> number = (word >> 9) & 0x7FFFFF;
  return (__builtin_convertvector(number, F) + 0.5f) * kUnit;
}

// Natural logarithm of normal positive numbers. Method: Cephes logf.
template <class F>
ROLLOUT_INLINE F Log(const F& x) {
  constexpr float kRootHalf = 0.707106781186547524f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr std::int32_t kMantissa = 0x007FFFFF, kHalfBits = 0x3F000000, kBias = 126;
  Ints<F> bits;
  std::memcpy(&bits, &x, sizeof bits);
  Ints<F> exponent = (bits >> 23) - kBias;
  const Ints<F> fraction_bits = (bits & kMantissa) | kHalfBits;
  F m;
  std::memcpy(&m, &fraction_bits, sizeof m);
  const Ints<F> small = m < kRootHalf;
  exponent = exponent + small;  // a true lane is -1
  m = (small ? m + m : m) - 1.0f;
  const F e = __builtin_convertvector(exponent, F), z = m * m;
  F y = F{} + 7.0376836292e-2f;
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

template <class F>
ROLLOUT_INLINE F Sqrt(const F& x) {
  // through memory, where the compiler makes one instruction of the loop
  float lanes[kLanesOf<F>];
  std::memcpy(lanes, &x, sizeof x);
  for (float& lane : lanes) lane = std::sqrt(lane);
  F root;
  std::memcpy(&root, lanes, sizeof root);
  return root;
}

template <class F>
struct SinCosOf {
  F sin, cos;
};

// Sine and cosine of a turn's fraction, 0 <= turn < 1. Method: the nearest quarter is exact, and
// Cephes' polynomials serve the eighth of a turn around it.
template <class F>
ROLLOUT_INLINE SinCosOf<F> SinCosTurn(const F& turn) {
  constexpr float kTwoPi = 6.283185307179586f;
  const Ints<F> quarter = __builtin_convertvector(turn * 4.0f + 0.5f, Ints<F>);
  const F x = (turn - __builtin_convertvector(quarter, F) * 0.25f) * kTwoPi, z = x * x;
  F s = F{} - 1.9515295891e-4f;
  s = s * z + 8.3321608736e-3f;
  s = s * z - 1.6666654611e-1f;
  s = s * z * x + x;
  F c = F{} + 2.443315711809948e-5f;
  c = c * z - 1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * z * z - z * 0.5f + 1.0f;
  const Ints<F> odd = (quarter & 1) != 0;
  const Ints<F> sin_negative = (quarter & 2) != 0, cos_negative = ((quarter + 1) & 2) != 0;
  const F sine = (odd ? c : s), cosine = (odd ? s : c);
  return {(sin_negative ? -sine : sine), (cos_negative ? -cosine : cosine)};
}

// Four standard normal numbers a lane from a Philox block of each lane (Box and Muller 1958).
template <class F>
ROLLOUT_INLINE void NormalsOf(const std::uint32_t* words, F* out) {
  for (std::size_t pair = 0; pair < 2; ++pair) {
    const std::uint32_t* const from = words + pair * 2 * kLanesOf<F>;
    const F radius = Sqrt(Log(OpenUniform<F>(from)) * -2.0f);
    const SinCosOf<F> angle = SinCosTurn(OpenUniform<F>(from + kLanesOf<F>));
    out[2 * pair] = radius * angle.cos;
    out[2 * pair + 1] = radius * angle.sin;
  }
}

}  // namespace rollout::trajectory
