// Where the trajectory optimisers draw, and Philox4x32-10 for eight or sixteen counters at a time.
//
// Every word is a pure function of (seed of the row, number of the row, iteration, block, site): it
// does not depend on threads, on the batch around the row, or on how many candidates there are.
// Thread-safe; nothing allocates. All variants give the same words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/simd.h"

namespace rollout::trajectory {

// One number a place that draws; streams of different sites share nothing.
enum class Site : std::uint32_t { kNormal = 1, kChoice = 2 };

// A row's identity: its seed, and its number among the rows that share that seed.
struct RowKey {
  std::uint64_t seed = 0;
  std::uint32_t row = 0;
};

// Writes blocks [first + lane * stride, ... + count) of each of L lanes: word w of block i of a
// lane is words[(4 * i + w) * L + lane].
struct PhiloxRun {
  RowKey key;
  std::uint32_t iteration;
  Site site;
  std::uint32_t first, stride, count;
};

void PhiloxEight(const PhiloxRun& run, std::uint32_t* words);
#ifdef ROLLOUT_HAS_AVX2_TARGET
void PhiloxSixteen(const PhiloxRun& run, std::uint32_t* words);  // at kAvx512
#endif

}  // namespace rollout::trajectory
