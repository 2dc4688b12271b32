// Selection where an outcome of chance is awaited: the same under every rule.
//
//   score(c) = P(c) / (n(c) + 1), ties to the lowest
//
// Deterministic: visits follow the chances as closely as whole numbers can (D'Hondt's method of
// apportionment), so a mean over few of them is nearer to the expectation than one over draws.
// Source: Antonoglou et al. 2022, "Planning in stochastic environments with a learned model",
// appendix A; mctx (Apache-2.0). O(C).
#pragma once

#include <cstddef>
#include <cstdint>

#include "search/argmax.h"
#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

ROLLOUT_INLINE std::int32_t SelectOutcome(const Node& node, F8* scores) {
  const std::size_t vectors = node.width / kLanes;
  for (std::size_t i = 0; i < vectors; ++i) {
    const F8 visits = ToFloat(Load(node.visits() + i * kLanes));
    scores[i] = Load(node.prior() + i * kLanes) / (visits + 1.0f);
  }
  return Argmax(scores, vectors);
}

}  // namespace rollout::search
