// Sines of eight angles at once, with the bits that the C library gives: SinCosAnyAvx2, twice as
// wide.
//
// Pure and thread-safe. The caller has checked that ActiveSimd() is at least kAvx512.
#pragma once

#include "envs/avx2.h"

#ifdef ROLLOUT_HAS_AVX2_TARGET

#include <cmath>

namespace rollout {

#define ROLLOUT_AVX512_TARGET __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl")))
#define ROLLOUT_AVX512 \
  __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl"), always_inline)) inline

namespace internal {

ROLLOUT_AVX512 __m512d AllEight(double value) { return _mm512_set1_pd(value); }
ROLLOUT_AVX512 __m512d UlpEight(__m512d x) {
  const __m512d power = _mm512_and_pd(x, _mm512_castsi512_pd(_mm512_set1_epi64(0x7FFLL << 52)));
  return power * AllEight(0x1p-52);
}

struct RoundedEight {
  __m512d value;
  __mmask8 unsure;
};

ROLLOUT_AVX512 RoundedEight RoundSumEight(__m512d hi, __m512d lo, __m512d margin) {
  const __m512d down = hi + (lo - margin), up = hi + (lo + margin);
  return {down, _mm512_cmp_pd_mask(down, up, _CMP_NEQ_UQ)};
}

}  // namespace internal

ROLLOUT_AVX512 __m512d SinAnyAvx512(__m512d angle) {
  using internal::AllEight;
  using internal::RoundedEight;
  using internal::RoundSumEight;
  using internal::UlpEight;
  constexpr double kLimit = 0x1p16, kClose = 0x1p-20, kMargin = 0.0390625;

  constexpr double kHalfPi = 0x1.921fb54442d18p0, kHalfPiLow = 0x1.1a62633145c07p-54;
  const __m512d turns = _mm512_roundscale_pd(angle * AllEight(0.6366197723675814),
                                             _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512d rough = _mm512_fnmadd_pd(turns, AllEight(kHalfPi), angle);
  const __m512d rest_turns = turns * AllEight(kHalfPiLow);
  const __m512d x = rough - rest_turns;
  const __m512d x_low = (rough - x) - rest_turns;
  const auto odd = static_cast<__mmask8>(
      _mm512_cmp_pd_mask(_mm512_abs_pd(angle), AllEight(kLimit), _CMP_NLE_UQ) |
      _mm512_cmp_pd_mask(_mm512_abs_pd(x), AllEight(kClose), _CMP_LT_OQ));

  const __m512d x2 = x * x, x2_low = _mm512_fmsub_pd(x, x, x2);
  const __m512d x3 = x * x2, x3_low = _mm512_fmadd_pd(x, x2_low, _mm512_fmsub_pd(x, x2, x3));
  constexpr double kSixth = 1.0 / 6.0, kSixthLow = 0x1.5555555555555p-57;
  const __m512d cube = x3 * AllEight(kSixth);
  const __m512d cube_low = _mm512_fmadd_pd(
      x3_low, AllEight(kSixth),
      _mm512_fmadd_pd(x3, AllEight(kSixthLow), _mm512_fmsub_pd(x3, AllEight(kSixth), cube)));
  const __m512d x4 = x2 * x2;
  const __m512d x4_low = _mm512_fmadd_pd(x2 + x2, x2_low, _mm512_fmsub_pd(x2, x2, x4));
  constexpr double k24th = 1.0 / 24.0, k24thLow = 0x1.5555555555555p-59;
  const __m512d fourth = x4 * AllEight(k24th);
  const __m512d fourth_low = _mm512_fmadd_pd(
      x4_low, AllEight(k24th),
      _mm512_fmadd_pd(x4, AllEight(k24thLow), _mm512_fmsub_pd(x4, AllEight(k24th), fourth)));

  // cos x
  __m512d rest = AllEight(-1.0 / 6402373705728000.0);
  rest = _mm512_fmadd_pd(rest, x2, AllEight(1.0 / 20922789888000.0));
  rest = _mm512_fmadd_pd(rest, x2, AllEight(-1.0 / 87178291200.0));
  rest = _mm512_fmadd_pd(rest, x2, AllEight(1.0 / 479001600.0));
  rest = _mm512_fmadd_pd(rest, x2, AllEight(-1.0 / 3628800.0));
  rest = _mm512_fmadd_pd(rest, x2, AllEight(1.0 / 40320.0));
  rest = _mm512_fmadd_pd(rest, x2, AllEight(-1.0 / 720.0));
  rest = x2 * x4 * rest;
  const __m512d half = x2 * AllEight(0.5), above = AllEight(1.0) - half;
  const __m512d cos_hi = above + fourth;
  const __m512d above_low = (AllEight(1.0) - above) - half;
  const __m512d fourth_rest = (above - cos_hi) + fourth;

  // sin x
  __m512d tail = AllEight(1.0 / 355687428096000.0);
  tail = _mm512_fmadd_pd(tail, x2, AllEight(-1.0 / 1307674368000.0));
  tail = _mm512_fmadd_pd(tail, x2, AllEight(1.0 / 6227020800.0));
  tail = _mm512_fmadd_pd(tail, x2, AllEight(-1.0 / 39916800.0));
  tail = _mm512_fmadd_pd(tail, x2, AllEight(1.0 / 362880.0));
  tail = _mm512_fmadd_pd(tail, x2, AllEight(-1.0 / 5040.0));
  tail = _mm512_fmadd_pd(tail, x2, AllEight(1.0 / 120.0));
  tail = x2 * x3 * tail;
  const __m512d sin_hi = x - cube;

  const __m512d sin_lo = ((x - sin_hi) - cube) + _mm512_fmadd_pd(x_low, cos_hi, tail - cube_low);
  const __m512d cos_lo =
      (above_low + fourth_rest) +
      _mm512_fnmadd_pd(x_low, sin_hi, _mm512_fnmadd_pd(x2_low, AllEight(0.5), fourth_low) + rest);
  const __m512i quarter = _mm512_cvtepi32_epi64(_mm512_cvtpd_epi32(turns));
  const __mmask8 swap = _mm512_test_epi64_mask(quarter, _mm512_set1_epi64(1));
  const RoundedEight rounded = RoundSumEight(
      _mm512_mask_blend_pd(swap, sin_hi, cos_hi), _mm512_mask_blend_pd(swap, sin_lo, cos_lo),
      UlpEight(_mm512_mask_blend_pd(swap, sin_hi, cos_hi)) * AllEight(kMargin));

  const __m512d turn = _mm512_castsi512_pd(_mm512_slli_epi64(quarter, 62));
  const __m512d out = _mm512_xor_pd(rounded.value, _mm512_and_pd(turn, AllEight(-0.0)));
  const auto ask = static_cast<unsigned>(odd | rounded.unsure);
  if (__builtin_expect(ask == 0, 1)) return out;
  alignas(64) double given[8], got[8];
  _mm512_store_pd(given, angle);
  _mm512_store_pd(got, out);
  for (unsigned lanes = ask; lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    got[lane] = std::sin(given[lane]);
  }
  return _mm512_load_pd(got);
}

}  // namespace rollout

#endif  // ROLLOUT_HAS_AVX2_TARGET
