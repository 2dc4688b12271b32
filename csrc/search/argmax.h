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

// Lowest action of the highest score; 0 where all are -infinity.
ROLLOUT_INLINE std::int32_t Argmax(const F8* scores, std::size_t vectors) {
  const F8 best = Best(scores, vectors);
  for (std::size_t i = 0; i < vectors; ++i) {
    if (const std::uint32_t bits = Bits(scores[i] >= best)) {
      return static_cast<std::int32_t>(i) * kLanes + std::countr_zero(bits);
    }
  }
  return 0;
}

// Any action within `width` of the highest score, each as likely. `below(n)` draws an integer in
// [0, n); it is called only where more than one action qualifies.
template <class Below>
ROLLOUT_INLINE std::int32_t ArgmaxRandomTie(const F8* scores, std::size_t vectors, float width,
                                            Below&& below) {
  const F8 least = Best(scores, vectors) - width;
  std::uint32_t tied = 0, first = 0;
  for (std::size_t i = vectors; i-- > 0;) {
    if (const std::uint32_t bits = Bits(scores[i] >= least)) {
      tied += static_cast<std::uint32_t>(std::popcount(bits));
      first = static_cast<std::uint32_t>(i) * kLanes + std::countr_zero(bits);
    }
  }
  if (tied <= 1) return static_cast<std::int32_t>(first);
  std::uint32_t skip = below(tied);
  for (std::size_t i = 0;; ++i) {
    std::uint32_t bits = Bits(scores[i] >= least);
    const auto count = static_cast<std::uint32_t>(std::popcount(bits));
    if (skip >= count) {
      skip -= count;
      continue;
    }
    while (skip-- > 0) bits &= bits - 1;
    return static_cast<std::int32_t>(i) * kLanes + std::countr_zero(bits);
  }
}

}  // namespace rollout::search
