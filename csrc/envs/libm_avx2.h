// Sine, cosine and square of four numbers at once, with the bits that the C library gives.
//
// How: as in sincos_avx2.h. Each is computed to a hundredth of a unit in the last place as a
// rounded sum hi + lo; lanes that lie so near to a midpoint between doubles that the library could
// round either way ask it. The margins allow for libraries with errors up to 0.53 units in sine and
// cosine and up to 0.515 in pow. glibc 2.36 was seen to reach 0.516 and 0.507 in millions of
// values, and a test sweeps numbers against the library at hand.
//
// Pure and thread-safe. The caller has checked that ActiveSimd() is at least kAvx2. Costs about a
// third of four calls of the library's.
#pragma once

#include "envs/avx2.h"

#ifdef ROLLOUT_HAS_AVX2_TARGET

#include <cmath>

#include "envs/libm.h"
#include "envs/sincos_avx2.h"

namespace rollout {

enum class Trig { kSin, kCos, kBoth };  // what is wanted: the other may be a bit off

// Angles of any size; beyond 2^16 the library is asked.
template <Trig kWanted = Trig::kBoth>
ROLLOUT_AVX2 SinCos4 SinCosAnyAvx2(__m256d angle) {
  using internal::Abs;
  using internal::All;
  using internal::AskLibrary;
  using internal::RoundSum;
  using internal::Ulp;
  constexpr double kLimit = 0x1p16;   // quadrants are counted exactly up to here
  constexpr double kClose = 0x1p-20;  // so near to a multiple of pi/2 the reduction is too coarse
  constexpr double kMargin = 0.0390625;  // of a unit: 1/32 for the library, the rest for us

  // x + x_low = angle - turns * pi/2, within pi/4; the first product and difference are exact
  constexpr double kHalfPi = 0x1.921fb54442d18p0, kHalfPiLow = 0x1.1a62633145c07p-54;
  const __m256d turns = _mm256_round_pd(_mm256_mul_pd(angle, All(0.6366197723675814)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256d rough = _mm256_fnmadd_pd(turns, All(kHalfPi), angle);
  const __m256d rest_turns = _mm256_mul_pd(turns, All(kHalfPiLow));
  const __m256d x = _mm256_sub_pd(rough, rest_turns);
  const __m256d x_low = _mm256_sub_pd(_mm256_sub_pd(rough, x), rest_turns);
  const __m256d odd = _mm256_or_pd(_mm256_cmp_pd(Abs(angle), All(kLimit), _CMP_NLE_UQ),
                                   _mm256_cmp_pd(Abs(x), All(kClose), _CMP_LT_OQ));

  // x^2, x^3 / 6 and x^4 / 24 as unevaluated sums of two doubles
  const __m256d x2 = _mm256_mul_pd(x, x);
  const __m256d x2_low = _mm256_fmsub_pd(x, x, x2);
  const __m256d x3 = _mm256_mul_pd(x, x2);
  const __m256d x3_low = _mm256_fmadd_pd(x, x2_low, _mm256_fmsub_pd(x, x2, x3));
  constexpr double kSixth = 1.0 / 6.0, kSixthLow = 0x1.5555555555555p-57;  // 1/6 - kSixth
  const __m256d cube = _mm256_mul_pd(x3, All(kSixth));
  const __m256d cube_low =
      _mm256_fmadd_pd(x3_low, All(kSixth),
                      _mm256_fmadd_pd(x3, All(kSixthLow), _mm256_fmsub_pd(x3, All(kSixth), cube)));
  const __m256d x4 = _mm256_mul_pd(x2, x2);
  const __m256d x4_low = _mm256_fmadd_pd(_mm256_add_pd(x2, x2), x2_low,  //
                                         _mm256_fmsub_pd(x2, x2, x4));
  constexpr double k24th = 1.0 / 24.0, k24thLow = 0x1.5555555555555p-59;
  const __m256d fourth = _mm256_mul_pd(x4, All(k24th));
  const __m256d fourth_low =
      _mm256_fmadd_pd(x4_low, All(k24th),
                      _mm256_fmadd_pd(x4, All(k24thLow), _mm256_fmsub_pd(x4, All(k24th), fourth)));

  // cos x = 1 - x^2/2 + x^4/24 - x^6/6! + ... - x^18/18!
  __m256d rest = All(-1.0 / 6402373705728000.0);
  rest = _mm256_fmadd_pd(rest, x2, All(1.0 / 20922789888000.0));
  rest = _mm256_fmadd_pd(rest, x2, All(-1.0 / 87178291200.0));
  rest = _mm256_fmadd_pd(rest, x2, All(1.0 / 479001600.0));
  rest = _mm256_fmadd_pd(rest, x2, All(-1.0 / 3628800.0));
  rest = _mm256_fmadd_pd(rest, x2, All(1.0 / 40320.0));
  rest = _mm256_fmadd_pd(rest, x2, All(-1.0 / 720.0));
  rest = _mm256_mul_pd(_mm256_mul_pd(x2, x4), rest);
  const __m256d half = _mm256_mul_pd(x2, All(0.5));
  const __m256d above = _mm256_sub_pd(All(1.0), half);
  const __m256d cos_hi = _mm256_add_pd(above, fourth);
  const __m256d above_low = _mm256_sub_pd(_mm256_sub_pd(All(1.0), above), half);
  const __m256d fourth_rest = _mm256_add_pd(_mm256_sub_pd(above, cos_hi), fourth);

  // sin x = x - x^3/6 + x^5/5! - ... + x^17/17!
  __m256d tail = All(1.0 / 355687428096000.0);
  tail = _mm256_fmadd_pd(tail, x2, All(-1.0 / 1307674368000.0));
  tail = _mm256_fmadd_pd(tail, x2, All(1.0 / 6227020800.0));
  tail = _mm256_fmadd_pd(tail, x2, All(-1.0 / 39916800.0));
  tail = _mm256_fmadd_pd(tail, x2, All(1.0 / 362880.0));
  tail = _mm256_fmadd_pd(tail, x2, All(-1.0 / 5040.0));
  tail = _mm256_fmadd_pd(tail, x2, All(1.0 / 120.0));
  tail = _mm256_mul_pd(_mm256_mul_pd(x2, x3), tail);
  const __m256d sin_hi = _mm256_sub_pd(x, cube);

  // what x_low adds: its part of the other function
  const __m256d sin_lo =
      _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(x, sin_hi), cube),
                    _mm256_fmadd_pd(x_low, cos_hi, _mm256_sub_pd(tail, cube_low)));
  const __m256d cos_lo = _mm256_add_pd(
      _mm256_add_pd(above_low, fourth_rest),
      _mm256_fnmadd_pd(x_low, sin_hi,
                       _mm256_add_pd(_mm256_fnmadd_pd(x2_low, All(0.5), fourth_low), rest)));

  __m256d sin_unsure = odd, cos_unsure = odd;
  const __m256d sine =
      RoundSum(sin_hi, sin_lo, _mm256_mul_pd(Ulp(sin_hi), All(kMargin)), &sin_unsure);
  const __m256d cosine =
      RoundSum(cos_hi, cos_lo, _mm256_mul_pd(Ulp(cos_hi), All(kMargin)), &cos_unsure);

  // an odd number of quarter turns swaps the two, and a half turn changes the sign
  const __m256i quarter = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(turns));
  const __m256d swap = _mm256_castsi256_pd(_mm256_slli_epi64(quarter, 63));
  const __m256i next = _mm256_add_epi64(quarter, _mm256_set1_epi64x(1));
  const __m256d sin_turn = _mm256_castsi256_pd(_mm256_slli_epi64(quarter, 62));
  const __m256d cos_turn = _mm256_castsi256_pd(_mm256_slli_epi64(next, 62));
  const __m256d sign = All(-0.0);

  SinCos4 out;
  out.cos = _mm256_xor_pd(_mm256_blendv_pd(cosine, sine, swap), _mm256_and_pd(cos_turn, sign));
  if constexpr (kWanted != Trig::kSin) {
    out.cos = AskLibrary([](double v) { return std::cos(v); }, angle, out.cos,
                         _mm256_blendv_pd(cos_unsure, sin_unsure, swap));
  }
  out.sin = _mm256_xor_pd(_mm256_blendv_pd(sine, cosine, swap), _mm256_and_pd(sin_turn, sign));
  if constexpr (kWanted != Trig::kCos) {
    out.sin = AskLibrary([](double v) { return std::sin(v); }, angle, out.sin,
                         _mm256_blendv_pd(sin_unsure, cos_unsure, swap));
  }
  return out;
}

ROLLOUT_AVX2 __m256d CosAnyAvx2(__m256d angle) { return SinCosAnyAvx2<Trig::kCos>(angle).cos; }

// PowTwo of four numbers.
ROLLOUT_AVX2 __m256d PowTwoAvx2(__m256d x) {
  using internal::All;
  constexpr double kMargin = 1.0 / 64;  // of a unit in the last place
  constexpr double kTiny = 0x1p-900;    // below, the lower half of the product is lost
  const __m256d hi = _mm256_mul_pd(x, x);
  const __m256d lo = _mm256_fmsub_pd(x, x, hi);
  __m256d unsure = _mm256_cmp_pd(hi, All(kTiny), _CMP_NGE_UQ);
  const __m256d out =
      internal::RoundSum(hi, lo, _mm256_mul_pd(internal::Ulp(hi), All(kMargin)), &unsure);
  return internal::AskLibrary([](double v) { return PowTwo(v); }, x, out, unsure);
}

// PowTwo of four floats, held as doubles.
ROLLOUT_AVX2 __m256d PowTwoFloatAvx2(__m256d x) {
  using internal::All;
  constexpr double kMargin = 0x1p29 / 16;      // a sixteenth of a float's unit in the last place
  constexpr double kTiny = 0x1p-20;            // below, powf may be further off
  const __m256d square = _mm256_mul_pd(x, x);  // exact
  const __m256d margin = _mm256_mul_pd(internal::Ulp(square), All(kMargin));
  const __m256d down = _mm256_cvtps_pd(_mm256_cvtpd_ps(_mm256_sub_pd(square, margin)));
  const __m256d up = _mm256_cvtps_pd(_mm256_cvtpd_ps(_mm256_add_pd(square, margin)));
  const __m256d unsure = _mm256_or_pd(_mm256_cmp_pd(down, up, _CMP_NEQ_UQ),
                                      _mm256_cmp_pd(square, All(kTiny), _CMP_NGE_UQ));
  return internal::AskLibrary(
      [](double v) { return static_cast<double>(PowTwo(static_cast<float>(v))); }, x, down, unsure);
}

}  // namespace rollout

#endif  // ROLLOUT_HAS_AVX2_TARGET
