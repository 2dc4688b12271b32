// What a model does not know, backed up beside what it expects.
//
// The model says of every step how far off it may be (`spread` s, a standard deviation in units of
// return). A path's return r_1 + d_1 r_2 + ... then may be off by at most
//   u = s_1 + |d_1| s_2 + |d_1 d_2| s_3 + ...
// since standard deviations add where errors go together, as those of one model do along a path. A
// node keeps the mean of u over its evaluation (0) and the paths through it, as its value is the
// mean of their returns; an edge's is s + |d| times its child's. Selection may add a multiple of it
// to Q, so that a search looks where the model is unsure; no value is changed by that.
//
// Source: Oren et al. 2022, "E-MCTS: Deep exploration in model-based reinforcement learning by
// planning with epistemic uncertainty", which backs variances up in this way; deviations need no
// independence. One row; O(depth) a backup, O(A) a choice.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "search/tree.h"

namespace rollout::search {

// Of a node: the spread of the edge into it, and the mean of what lies below it.
struct Doubt {
  float own, below;
};

ROLLOUT_INLINE float EdgeDoubt(const Doubt& child, const NodeHead& head) {
  return child.own + std::abs(head.discount) * child.below;
}

// Adds `bonus` times the doubt of each visited edge to its Q. `node`: a copy of the tree's.
// head(slot) is that of a node.
// Not inlined: rare, and the code around it is to stay in cache.
template <class HeadOf>
__attribute__((noinline)) void AddBonus(const Node& node, const Doubt* doubts, float bonus,
                                        HeadOf&& head) {
  for (std::size_t a = 0; a < node.width; ++a) {
    const std::int32_t child = node.child()[a];
    if (child != kNone) node.q()[a] += bonus * EdgeDoubt(doubts[child], head(child));
  }
}

}  // namespace rollout::search
