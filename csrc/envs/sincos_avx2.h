// Sine and cosine of four small angles at once, with the bits that std::sin and std::cos give.
//
// How: each is computed to about 2^-63 relative, as a rounded sum hi + lo. A library whose error
// stays below 1/2 + margin units in the last place must round to the same double, unless the exact
// value lies within the margin of a midpoint between doubles; such lanes (about 1 in 13) ask the
// library. The margins cover errors of 0.515 (sin below 1/8), 0.531 (sin above) and 0.515 (cos)
// units. glibc 2.36 was seen to reach 0.506, 0.522 and 0.501, with FMA and without, and a test
// sweeps angles against the library at hand. Copying glibc's polynomial instead would tie the bits
// to one of its builds.
//
// Pure and thread-safe. The caller has checked that ActiveSimd() is at least kAvx2.
#pragma once

#include "envs/avx2.h"

#ifdef ROLLOUT_HAS_AVX2_TARGET

#include <cmath>

namespace rollout {

struct SinCos4 {
  __m256d sin, cos;
};

ROLLOUT_AVX2 SinCos4 SinCosAvx2(__m256d x) {
  using internal::Abs;
  using internal::All;
  using internal::RoundSum;
  constexpr double kLimit = 0.25;          // the series below are cut for this range
  constexpr double kSinSplit = 0.125;      // libraries are closer below
  constexpr double kNearMargin = 0x1p-58;  // relative to the result: 1/64 to 1/32 ulp
  constexpr double kFarMargin = 0x1p-57;   // 1/32 to 1/16 ulp
  constexpr double kCosMargin = 0x1p-59;   // cos is in (0.96, 1]: 1/64 ulp

  const __m256d magnitude = Abs(x);
  __m256d unsure = _mm256_cmp_pd(magnitude, All(kLimit), _CMP_NLE_UQ);  // NaN too

  // x^2 and x^3 / 6 as unevaluated sums of two doubles
  const __m256d x2 = _mm256_mul_pd(x, x);
  const __m256d x2_low = _mm256_fmsub_pd(x, x, x2);
  const __m256d x3 = _mm256_mul_pd(x, x2);
  const __m256d x3_low = _mm256_fmadd_pd(x, x2_low, _mm256_fmsub_pd(x, x2, x3));
  constexpr double kSixth = 1.0 / 6.0;
  constexpr double kSixthLow = 0x1.5555555555555p-57;  // 1/6 - kSixth
  const __m256d cube = _mm256_mul_pd(x3, All(kSixth));
  const __m256d cube_low =
      _mm256_fmadd_pd(x3_low, All(kSixth),
                      _mm256_fmadd_pd(x3, All(kSixthLow), _mm256_fmsub_pd(x3, All(kSixth), cube)));

  // sin x = x - x^3/6 + x^5/5! - ... + x^13/13!
  __m256d tail = All(1.0 / 6227020800.0);
  tail = _mm256_fmadd_pd(tail, x2, All(-1.0 / 39916800.0));
  tail = _mm256_fmadd_pd(tail, x2, All(1.0 / 362880.0));
  tail = _mm256_fmadd_pd(tail, x2, All(-1.0 / 5040.0));
  tail = _mm256_fmadd_pd(tail, x2, All(1.0 / 120.0));
  tail = _mm256_mul_pd(_mm256_mul_pd(x2, x3), tail);
  const __m256d sin_hi = _mm256_sub_pd(x, cube);
  const __m256d sin_lo =
      _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(x, sin_hi), cube), _mm256_sub_pd(tail, cube_low));
  const __m256d near = _mm256_cmp_pd(magnitude, All(kSinSplit), _CMP_LT_OQ);
  const __m256d sin_margin =
      _mm256_mul_pd(Abs(sin_hi), _mm256_blendv_pd(All(kFarMargin), All(kNearMargin), near));

  // cos x = 1 - x^2/2 + x^4/4! - ... + x^14/14!
  __m256d rest = All(-1.0 / 87178291200.0);
  rest = _mm256_fmadd_pd(rest, x2, All(1.0 / 479001600.0));
  rest = _mm256_fmadd_pd(rest, x2, All(-1.0 / 3628800.0));
  rest = _mm256_fmadd_pd(rest, x2, All(1.0 / 40320.0));
  rest = _mm256_fmadd_pd(rest, x2, All(-1.0 / 720.0));
  rest = _mm256_fmadd_pd(rest, x2, All(1.0 / 24.0));
  rest = _mm256_mul_pd(_mm256_mul_pd(x2, x2), rest);
  const __m256d half = _mm256_mul_pd(x2, All(0.5));
  const __m256d cos_hi = _mm256_sub_pd(All(1.0), half);
  const __m256d cos_lo = _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(All(1.0), cos_hi), half),
                                       _mm256_fnmadd_pd(x2_low, All(0.5), rest));

  SinCos4 out;
  out.sin = RoundSum(sin_hi, sin_lo, sin_margin, &unsure);
  out.sin = _mm256_or_pd(out.sin, _mm256_and_pd(x, All(-0.0)));  // sin(-0) is -0
  out.cos = RoundSum(cos_hi, cos_lo, All(kCosMargin), &unsure);

  const int ask = _mm256_movemask_pd(unsure);
  if (__builtin_expect(ask != 0, 0)) {
    alignas(32) double angle[4], sin[4], cos[4];
    _mm256_store_pd(angle, x);
    _mm256_store_pd(sin, out.sin);
    _mm256_store_pd(cos, out.cos);
    for (int lane = 0; lane < 4; ++lane) {
      if ((ask >> lane & 1) == 0) continue;
      sin[lane] = std::sin(angle[lane]);
      cos[lane] = std::cos(angle[lane]);
    }
    out = {_mm256_load_pd(sin), _mm256_load_pd(cos)};
  }
  return out;
}

}  // namespace rollout

#endif  // ROLLOUT_HAS_AVX2_TARGET
