#include "trajectory/random.h"

#include "core/philox.h"
#include "core/simd.h"

#ifdef ROLLOUT_HAS_AVX2_TARGET
// GCC 12 takes the unset operand of some of its own AVX-512 functions for an oversight
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

// no wide vector crosses a real call, so its ABI is nobody's concern
#pragma GCC diagnostic ignored "-Wpsabi"

namespace rollout::trajectory {
namespace {

constexpr int kRounds = 10;
constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr std::size_t kEight = 8;

void PhiloxEightPortable(const PhiloxRun& run, std::uint32_t* words) {
  const PhiloxKey key{static_cast<std::uint32_t>(run.key.seed),
                      static_cast<std::uint32_t>(run.key.seed >> 32)};
  for (std::uint32_t i = 0; i < run.count; ++i) {
    for (std::uint32_t lane = 0; lane < kEight; ++lane) {
      const PhiloxCounter block =
          Philox4x32({run.first + lane * run.stride + i, static_cast<std::uint32_t>(run.site),
                      run.iteration, run.key.row},
                     key);
      for (std::size_t w = 0; w < 4; ++w) words[(4 * i + w) * kEight + lane] = block[w];
    }
  }
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
__attribute__((target("avx2"))) void PhiloxEightAvx2(const PhiloxRun& run, std::uint32_t* words) {
  const auto all = [](std::uint32_t x) __attribute__((target("avx2"), always_inline)) {
    return _mm256_set1_epi32(static_cast<int>(x));
  };
  // both halves of the eight 64-bit products: even lanes, then odd ones
  struct Product {
    __m256i high, low;
  };
  const auto multiply = [](__m256i a, __m256i k)
                            __attribute__((target("avx2"), always_inline)) -> Product {
    const __m256i even = _mm256_mul_epu32(a, k);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), k);
    return {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA),
            _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA)};
  };
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i start =
      _mm256_add_epi32(all(run.first), _mm256_mullo_epi32(lanes, all(run.stride)));
  const auto seed = run.key.seed;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    __m256i c0 = _mm256_add_epi32(start, all(i)), c1 = all(static_cast<std::uint32_t>(run.site));
    __m256i c2 = all(run.iteration), c3 = all(run.key.row);
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < kRounds; ++round) {
      const Product p0 = multiply(c0, all(kMultiplier0)), p1 = multiply(c2, all(kMultiplier1));
      c0 = _mm256_xor_si256(_mm256_xor_si256(p1.high, c1), all(k0));
      c1 = p1.low;
      c2 = _mm256_xor_si256(_mm256_xor_si256(p0.high, c3), all(k1));
      c3 = p0.low;
      k0 += kWeyl0;
      k1 += kWeyl1;
    }
    auto* const out = reinterpret_cast<__m256i*>(words + 4 * i * kEight);
    _mm256_storeu_si256(out, c0);
    _mm256_storeu_si256(out + 1, c1);
    _mm256_storeu_si256(out + 2, c2);
    _mm256_storeu_si256(out + 3, c3);
  }
}
#endif

}  // namespace

void PhiloxEight(const PhiloxRun& run, std::uint32_t* words) {
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (ActiveSimd() >= SimdLevel::kAvx2) return PhiloxEightAvx2(run, words);
#endif
  PhiloxEightPortable(run, words);
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
__attribute__((target("avx512f"))) void PhiloxSixteen(const PhiloxRun& run, std::uint32_t* words) {
  const auto all = [](std::uint32_t x) __attribute__((target("avx512f"), always_inline)) {
    return _mm512_set1_epi32(static_cast<int>(x));
  };
  struct Product {
    __m512i high, low;
  };
  const auto multiply = [](__m512i a, __m512i k)
                            __attribute__((target("avx512f"), always_inline)) -> Product {
    constexpr __mmask16 kOdd = 0xAAAA;
    const __m512i even = _mm512_mul_epu32(a, k);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), k);
    return {_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), kOdd, odd),
            _mm512_mask_mov_epi32(even, kOdd, _mm512_slli_epi64(odd, 32))};
  };
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i start =
      _mm512_add_epi32(all(run.first), _mm512_mullo_epi32(lanes, all(run.stride)));
  const auto seed = run.key.seed;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    __m512i c0 = _mm512_add_epi32(start, all(i)), c1 = all(static_cast<std::uint32_t>(run.site));
    __m512i c2 = all(run.iteration), c3 = all(run.key.row);
    auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    constexpr int kXorOfThree = 0x96;
    for (int round = 0; round < kRounds; ++round) {
      const Product p0 = multiply(c0, all(kMultiplier0)), p1 = multiply(c2, all(kMultiplier1));
      c0 = _mm512_ternarylogic_epi32(p1.high, c1, all(k0), kXorOfThree);
      c1 = p1.low;
      c2 = _mm512_ternarylogic_epi32(p0.high, c3, all(k1), kXorOfThree);
      c3 = p0.low;
      k0 += kWeyl0;
      k1 += kWeyl1;
    }
    auto* const out = words + 64 * i;
    _mm512_storeu_si512(out, c0);
    _mm512_storeu_si512(out + 16, c1);
    _mm512_storeu_si512(out + 32, c2);
    _mm512_storeu_si512(out + 48, c3);
  }
}
#endif

}  // namespace rollout::trajectory
