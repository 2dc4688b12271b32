// Where the trajectory optimisers draw, and Philox4x32-10 for eight counters at a time.
//
// Every word is a pure function of (seed of the row, number of the row, iteration, block, site): it
// does not depend on threads, on the batch around the row, or on how many candidates there are.
// Thread-safe; nothing allocates. Both variants of PhiloxEight give the same words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rollout::trajectory {

// One number a place that draws; streams of different sites share nothing.
enum class Site : std::uint32_t { kNormal = 1, kChoice = 2 };

// A row's identity: its seed, and its number among the rows that share that seed.
struct RowKey {
  std::uint64_t seed = 0;
  std::uint32_t row = 0;
};

inline constexpr std::size_t kEight = 8;

// Writes blocks [first + lane * stride, ... + count) of each lane: word w of block i of a lane is
// words[(4 * i + w) * 8 + lane].
struct PhiloxRun {
  RowKey key;
  std::uint32_t iteration;
  Site site;
  std::uint32_t first, stride, count;
};

void PhiloxEight(const PhiloxRun& run, std::uint32_t* words);

}  // namespace rollout::trajectory
