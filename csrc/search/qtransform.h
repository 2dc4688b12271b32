// Q-values of a node's actions, scaled to be added to a policy score. Three ways as mctx defines
// them: by the node's own extremes, by known bounds, and completed by a mixed value; and one that
// names its parts.
//
// Source: mctx (Apache-2.0) for the definitions; Danihelka et al. 2022, "Policy improvement by
// planning with Gumbel", appendix D for the mixed value. Reads one node; O(A).
#pragma once

#include <cmath>
#include <cstddef>

#include "search/backup.h"
#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

struct QTransform {
  enum class Kind { kParentAndSiblings, kMinMax, kCompletedByMixValue, kScaled };
  // kScaled: what spans the unit range, and what an unvisited action counts as
  enum class Range { kSiblings, kTree, kFixed, kNone };
  enum class Unvisited { kLeast, kParent, kMean, kReduced, kNumber };

  Kind kind = Kind::kParentAndSiblings;
  float epsilon = 1e-8f;                     // least denominator of a rescaling
  float min_value = 0.0f, max_value = 1.0f;  // kMinMax
  float value_scale = 0.1f, maxvisit_init = 50.0f;
  bool rescale_values = true, use_mixed_value = true;
  Range range = Range::kSiblings;
  Unvisited unvisited = Unvisited::kLeast;
  float number = 0.0f;  // kNumber: the Q; kReduced: what is taken off the node's value, times the
                        // root of the prior that was visited
};

// Unvisited actions count as the least of the node's value and its visited actions' values.
ROLLOUT_INLINE void ScaleByParentAndSiblings(const QTransform& t, const Node& node, F8* out) {
  const std::size_t vectors = node.width / kLanes;
  const F8 value = Fill(node.head().value);
  F8 least = value, most = value;
  for (std::size_t i = 0; i < vectors; ++i) {
    const I8 visited = Load(node.visits() + i * kLanes) > 0;
    out[i] = Select(visited, Load(node.q() + i * kLanes), value);
    least = Min(least, out[i]);
    most = Max(most, out[i]);
  }
  const F8 low = MinAcross(least);
  const F8 range = Max(MaxAcross(most) - low, Fill(t.epsilon));
  for (std::size_t i = 0; i < vectors; ++i) {
    const I8 visited = Load(node.visits() + i * kLanes) > 0;
    out[i] = (Select(visited, out[i], low) - low) / range;
  }
}

// Unvisited actions count as min_value. Nothing is clipped.
ROLLOUT_INLINE void ScaleByMinMax(const QTransform& t, const Node& node, F8* out) {
  const F8 low = Fill(t.min_value), range = Fill(t.max_value - t.min_value);
  for (std::size_t i = 0; i < node.width / kLanes; ++i) {
    const I8 visited = Load(node.visits() + i * kLanes) > 0;
    out[i] = (Select(visited, Load(node.q() + i * kLanes), low) - low) / range;
  }
}

// What CompleteByMixValue gives an unvisited action: the mean, over the evaluation and the visits,
// of the model's value and the visited actions' prior-weighted Q.
inline float MixedValue(const Node& node) {
  const NodeHead& head = node.head();
  float mass = 0.0f, weighted = 0.0f, total = 0.0f;
  for (std::size_t a = 0; a < node.width; ++a) {
    if (node.visits()[a] == 0) continue;
    const float prior = node.prior()[a] > kTiny ? node.prior()[a] : kTiny;
    mass += prior;
    weighted += prior * node.q()[a];
    total += static_cast<float>(node.visits()[a]);
  }
  if (mass == 0.0f) return head.raw_value;
  return (head.raw_value + total * (weighted / mass)) / (total + 1.0f);
}

// Unvisited actions count as the mean, over the evaluation and the visits, of the model's value and
// the visited actions' prior-weighted Q.
ROLLOUT_INLINE void CompleteByMixValue(const QTransform& t, const Node& node, F8* out) {
  const std::size_t vectors = node.width / kLanes;
  const NodeHead& head = node.head();
  I8 most_visits = Fill(0);
  F8 mass = Fill(0.0f), weighted = Fill(0.0f), count = Fill(0.0f);
  for (std::size_t i = 0; i < vectors; ++i) {
    const I8 visits = Load(node.visits() + i * kLanes);
    const I8 visited = visits > 0;
    // the floor keeps the mean finite where only actions of zero prior were visited
    const F8 prior = Select(visited, Max(Load(node.prior() + i * kLanes), Fill(kTiny)), Fill(0.0f));
    out[i] = Select(visited, Load(node.q() + i * kLanes), Fill(0.0f));
    mass += prior;
    weighted += prior * out[i];
    count += ToFloat(visits);
    most_visits = Max(most_visits, visits);
  }
  F8 fill = Fill(head.raw_value);
  if (const F8 total = SumAcross(count); t.use_mixed_value && total[0] > 0.0f) {
    fill = (fill + total * (SumAcross(weighted) / SumAcross(mass))) / (total + 1.0f);
  }
  F8 least = Fill(kInfinity), most = Fill(-kInfinity);
  for (std::size_t i = 0; i < vectors; ++i) {
    const I8 visited = Load(node.visits() + i * kLanes) > 0;
    const I8 past = Load(node.prior() + i * kLanes) == kPast;
    out[i] = Select(visited, out[i], fill);
    least = Min(least, Select(past, Fill(kInfinity), out[i]));
    most = Max(most, Select(past, Fill(-kInfinity), out[i]));
  }
  const F8 scale = (ToFloat(MaxAcross(most_visits)) + t.maxvisit_init) * t.value_scale;
  F8 low = Fill(0.0f), range = Fill(1.0f);
  if (t.rescale_values) {
    low = MinAcross(least);
    range = Max(MaxAcross(most) - low, Fill(t.epsilon));
  }
  for (std::size_t i = 0; i < vectors; ++i) out[i] = scale * ((out[i] - low) / range);
}

// The node's value and its visited actions, or the whole tree so far, or known bounds, span [0, 1].
ROLLOUT_INLINE void ScaleBy(const QTransform& t, const Node& node, const Bounds& bounds, F8* out) {
  using Range = QTransform::Range;
  using Unvisited = QTransform::Unvisited;
  const std::size_t vectors = node.width / kLanes;
  const F8 value = Fill(node.head().value);
  F8 least = value, most = value, sum = Fill(0.0f), mass = Fill(0.0f);
  I8 count = Fill(0);
  for (std::size_t i = 0; i < vectors; ++i) {
    const I8 visited = Load(node.visits() + i * kLanes) > 0;
    const F8 q = Load(node.q() + i * kLanes);
    out[i] = Select(visited, q, value);
    least = Min(least, out[i]);
    most = Max(most, out[i]);
    sum += Select(visited, q, Fill(0.0f));
    mass += Select(visited, Load(node.prior() + i * kLanes), Fill(0.0f));
    count -= visited;
  }
  F8 low = Fill(0.0f), range = Fill(1.0f), fill = value;
  if (t.range == Range::kSiblings) {
    low = MinAcross(least);
    range = Max(MaxAcross(most) - low, Fill(t.epsilon));
  } else if (t.range == Range::kFixed) {
    low = Fill(t.min_value);
    range = Fill(t.max_value - t.min_value);
  } else if (t.range == Range::kTree && bounds.high > bounds.low) {
    // with no spread yet, Q is taken as it is
    low = Fill(bounds.low);
    range = Max(Fill(bounds.high - bounds.low), Fill(t.epsilon));
  }
  const F8 visited_count = SumAcross(ToFloat(count));
  if (t.unvisited == Unvisited::kLeast) fill = MinAcross(least);
  if (t.unvisited == Unvisited::kMean) {
    fill = Select(visited_count > 0.0f, SumAcross(sum) / Max(visited_count, Fill(1.0f)), value);
  }
  if (t.unvisited == Unvisited::kReduced) {
    fill = value - t.number * Fill(std::sqrt(SumAcross(mass)[0]));
  }
  if (t.unvisited == Unvisited::kNumber) fill = Fill(t.number);
  for (std::size_t i = 0; i < vectors; ++i) {
    const I8 visited = Load(node.visits() + i * kLanes) > 0;
    out[i] = (Select(visited, out[i], fill) - low) / range;
    // where nothing was visited the prior decides
    out[i] = Select(visited_count > 0.0f, out[i], Fill(0.0f));
    if (t.range == Range::kTree) out[i] = Min(Max(out[i], Fill(0.0f)), Fill(1.0f));
  }
}

// Writes node.width / kLanes vectors to `out`; lanes past the actions hold finite numbers.
ROLLOUT_INLINE void ScaleQ(const QTransform& t, const Node& node, const Bounds& bounds, F8* out) {
  if (t.kind == QTransform::Kind::kParentAndSiblings) return ScaleByParentAndSiblings(t, node, out);
  if (t.kind == QTransform::Kind::kMinMax) return ScaleByMinMax(t, node, out);
  if (t.kind == QTransform::Kind::kScaled) return ScaleBy(t, node, bounds, out);
  CompleteByMixValue(t, node, out);
}

}  // namespace rollout::search
