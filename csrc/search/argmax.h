// The best of a node's scores. Lanes past the actions must hold -infinity. O(A).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "search/lanes.h"

namespace rollout::search {

// The highest score, in all lanes.
ROLLOUT_INLINE F8 Best(const F8* scores, std::size_t vectors) {
  F8 best = scores[0];
  for (std::size_t i = 1; i < vectors; ++i) best = Max(best, scores[i]);
  return MaxAcross(best);
}

// Which vector holds the best is anybody's guess, so nothing here branches on it: a wrong guess
// would throw away the work on the rows that come next, which is all that hides how long a choice
// takes.

inline constexpr std::size_t kGroup = 4;  // vectors whose lanes have a bit each in one word

// One bit an action for those of `group` that score at least `least`, the lowest action lowest.
ROLLOUT_INLINE std::uint32_t AtLeast(const F8* scores, std::size_t vectors, std::size_t group,
                                     const F8& least) {
  std::uint32_t bits = 0;
  for (std::size_t i = group; i < vectors && i < group + kGroup; ++i) {
    bits |= Bits(scores[i] >= least) << (i - group) * kLanes;
  }
  return bits;
}

// Lowest action of the highest score; 0 where all are -infinity.
ROLLOUT_INLINE std::int32_t Argmax(const F8* scores, std::size_t vectors) {
  const F8 best = Best(scores, vectors);
  std::int32_t first = 0;
  for (std::size_t group = (vectors - 1) / kGroup * kGroup;; group -= kGroup) {
    const std::uint32_t bits = AtLeast(scores, vectors, group, best);
    const auto lowest = static_cast<std::int32_t>(group) * kLanes + std::countr_zero(bits);
    first = bits != 0 ? lowest : first;
    if (group == 0) return first;
  }
}

// Any action within `width` of the highest score, each as likely. `below(n)` draws an integer in
// [0, n); it is called only where more than one action qualifies.
template <class Below>
ROLLOUT_INLINE std::int32_t ArgmaxRandomTie(const F8* scores, std::size_t vectors, float width,
                                            Below&& below) {
  const F8 least = Best(scores, vectors) - width;
  std::uint32_t tied = 0;
  std::int32_t first = 0;
  for (std::size_t group = (vectors - 1) / kGroup * kGroup;; group -= kGroup) {
    const std::uint32_t bits = AtLeast(scores, vectors, group, least);
    const auto lowest = static_cast<std::int32_t>(group) * kLanes + std::countr_zero(bits);
    tied += static_cast<std::uint32_t>(std::popcount(bits));
    first = bits != 0 ? lowest : first;
    if (group == 0) break;
  }
  if (tied <= 1) [[likely]]
    return first;
  std::uint32_t skip = below(tied);
  for (std::size_t group = 0;; group += kGroup) {
    std::uint32_t bits = AtLeast(scores, vectors, group, least);
    const auto count = static_cast<std::uint32_t>(std::popcount(bits));
    if (skip >= count) {
      skip -= count;
      continue;
    }
    while (skip-- > 0) bits &= bits - 1;
    return static_cast<std::int32_t>(group) * kLanes + std::countr_zero(bits);
  }
}

}  // namespace rollout::search
