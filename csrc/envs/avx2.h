// Four doubles at a time, for the wide variants of environments: a lane a row.
//
// A function marked ROLLOUT_AVX2 is inlined into a caller that has the same target; that caller
// has checked that ActiveSimd() is at least kAvx2. Pure and thread-safe.
#pragma once

#include "core/simd.h"

#ifdef ROLLOUT_HAS_AVX2_TARGET

// GCC 12 takes the unset operand of some of its own AVX-512 functions for an oversight
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

namespace rollout {

#define ROLLOUT_AVX2_TARGET __attribute__((target("avx2,fma")))
#define ROLLOUT_AVX2 __attribute__((target("avx2,fma"), always_inline)) inline

namespace internal {

ROLLOUT_AVX2 __m256d All(double value) { return _mm256_set1_pd(value); }
ROLLOUT_AVX2 __m256d Abs(__m256d x) { return _mm256_andnot_pd(All(-0.0), x); }
ROLLOUT_AVX2 __m256d Clamp(__m256d x, double low, double high) {
  return _mm256_min_pd(_mm256_max_pd(x, All(low)), All(high));
}

ROLLOUT_AVX2 __m256d Less(__m256d a, __m256d b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }

// rows of four numbers to four numbers of each row, and back
ROLLOUT_AVX2 void Transpose(__m256d* r) {
  const __m256d low01 = _mm256_unpacklo_pd(r[0], r[1]), high01 = _mm256_unpackhi_pd(r[0], r[1]);
  const __m256d low23 = _mm256_unpacklo_pd(r[2], r[3]), high23 = _mm256_unpackhi_pd(r[2], r[3]);
  r[0] = _mm256_permute2f128_pd(low01, low23, 0x20);
  r[1] = _mm256_permute2f128_pd(high01, high23, 0x20);
  r[2] = _mm256_permute2f128_pd(low01, low23, 0x31);
  r[3] = _mm256_permute2f128_pd(high01, high23, 0x31);
}

// one unit in the last place of each number, or 0 where that is below the normal range
ROLLOUT_AVX2 __m256d Ulp(__m256d x) {
  const __m256d power = _mm256_and_pd(x, _mm256_castsi256_pd(_mm256_set1_epi64x(0x7FFLL << 52)));
  return _mm256_mul_pd(power, All(0x1p-52));
}

// Rounds hi + lo; `unsure` collects the lanes where an error up to the margin could change the
// result, and those that are no numbers.
ROLLOUT_AVX2 __m256d RoundSum(__m256d hi, __m256d lo, __m256d margin, __m256d* unsure) {
  const __m256d down = _mm256_add_pd(hi, _mm256_sub_pd(lo, margin));
  const __m256d up = _mm256_add_pd(hi, _mm256_add_pd(lo, margin));
  *unsure = _mm256_or_pd(*unsure, _mm256_cmp_pd(down, up, _CMP_NEQ_UQ));
  return down;
}

// Replaces the lanes of `ask` in `out` by what the library says of those of x.
template <class Function>
ROLLOUT_AVX2 __m256d AskLibrary(Function function, __m256d x, __m256d out, __m256d ask) {
  const int lanes = _mm256_movemask_pd(ask);
  if (__builtin_expect(lanes == 0, 1)) return out;
  alignas(32) double given[4], got[4];
  _mm256_store_pd(given, x);
  _mm256_store_pd(got, out);
  for (int lane = 0; lane < 4; ++lane) {
    if ((lanes >> lane & 1) != 0) got[lane] = function(given[lane]);
  }
  return _mm256_load_pd(got);
}

}  // namespace internal
}  // namespace rollout

#endif  // ROLLOUT_HAS_AVX2_TARGET
