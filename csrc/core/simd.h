// Which vector instructions a kernel may use, decided at run time.
//
// A kernel with a wide variant marks it `__attribute__((target("avx2,fma")))` and asks whether
// ActiveSimd() is at least that, once a call. Every variant gives the same bits, so the level is a
// matter of speed only; tests lower it to compare the variants. Thread-safe; costs one relaxed
// load.
#pragma once

#include <atomic>

#if defined(__x86_64__)
#define ROLLOUT_HAS_AVX2_TARGET 1
#endif

namespace rollout {

// kAvx2 has FMA, BMI and BMI2; kAvx512 has F, DQ, BW and VL. A level has what is below it.
enum class SimdLevel : int { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

// The widest level that this processor runs.
inline SimdLevel SupportedSimd() {
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return wide ? SimdLevel::kAvx512 : SimdLevel::kAvx2;
  }
#endif
  return SimdLevel::kBaseline;
}

namespace internal {
inline std::atomic<SimdLevel> active_simd{SupportedSimd()};
}  // namespace internal

inline SimdLevel ActiveSimd() { return internal::active_simd.load(std::memory_order_relaxed); }

// The caller never asks for more than SupportedSimd().
inline void SetActiveSimd(SimdLevel level) {
  internal::active_simd.store(level, std::memory_order_relaxed);
}

}  // namespace rollout
