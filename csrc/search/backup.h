// Writing what the model said of a leaf, and backing its value up to the root.
//
// Both touch one row: the new node, and the nodes of the path that led to it. O(A) and O(depth).
#pragma once

#include <cstddef>
#include <cstdint>

#include "search/disagreement.h"
#include "search/edges.h"
#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

// Copies a row of logits, `actions` of them, into the node; kLowest past them and where `invalid`
// (or null) is nonzero.
// Returns 0, or what is wrong with them.
enum LogitFault : std::uint8_t { kGoodLogits = 0, kNotFinite = 1, kNoneAllowed = 2 };

ROLLOUT_INLINE LogitFault CopyLogits(const Node& node, const float* logits, std::size_t actions,
                                     const std::uint8_t* invalid = nullptr) {
  std::size_t a = 0;
  I8 bad = Fill(0);
  float rest = 0.0f;
  for (; a + kLanes <= actions; a += kLanes) {
    const F8 part = Load(logits + a);
    bad |= NotFinite(part);
    Store(node.logits() + a, part);
  }
  for (; a < actions; ++a) {
    node.logits()[a] = logits[a];
    rest += logits[a] - logits[a];
  }
  for (; a < node.width; ++a) node.logits()[a] = kLowest;
  if (OrAcross(bad)[0] != 0 || rest != 0.0f) [[unlikely]]
    return kNotFinite;
  if (invalid == nullptr) [[likely]]
    return kGoodLogits;
  std::size_t allowed = actions;
  for (a = 0; a < actions; ++a) {
    if (invalid[a] == 0) continue;
    node.logits()[a] = kLowest;
    --allowed;
  }
  return allowed > 0 ? kGoodLogits : kNoneAllowed;
}

// The least and greatest Q that a tree has seen.
struct Bounds {
  float low = kInfinity, high = -kInfinity;
};

// A path of one row and what is kept of it beside the tree.
struct Trail {
  std::byte *row, *edges;
  std::size_t width;
  const std::int32_t* path;  // slots from the root to the leaf: depth edges, so depth + 1 slots
  std::int32_t depth;
  Bounds* bounds;     // of the row
  float* squares;     // [W] sums of squared returns of the root's actions, or null
  float* players;     // [N, 2, P] mean values and then rewards, of several players, or null
  std::size_t count;  // P
  Doubt* doubts;      // [N] what the model does not know, or null

  ROLLOUT_INLINE NodeHead& Head(std::int32_t slot) const {
    return *reinterpret_cast<NodeHead*>(row + static_cast<std::size_t>(slot) * Node::Bytes(width));
  }
  float* Values(std::int32_t slot) const {
    return players + static_cast<std::size_t>(slot) * 2 * count;
  }
  float* Rewards(std::int32_t slot) const { return Values(slot) + count; }
};

// Adds what the model does not know of the path to all nodes above its last. Goes before Backup,
// which counts the visit.
ROLLOUT_INLINE void BackUpDoubt(const Trail& t) {
  float sum = 0.0f;
  for (std::int32_t d = t.depth; d-- > 0;) {
    const std::int32_t child = t.path[d + 1];
    sum = t.doubts[child].own + std::abs(t.Head(child).discount) * sum;
    float& mean = t.doubts[t.path[d]].below;
    const float visits = static_cast<float>(t.Head(t.path[d]).visits);
    mean = (mean * visits + sum) / (visits + 1.0f);
  }
}

// Counts a visit of the edge into `child`, and stores its Q.
template <bool kWide>
ROLLOUT_INLINE void VisitEdge(const Trail& t, const NodeHead& head, const NodeHead& child,
                              float q) {
  if constexpr (kWide) {
    Edge& edge = ListOf(t.edges, head)->edge[child.entry];
    edge.q = q;
    ++edge.visits;
  } else {
    const auto block = static_cast<std::size_t>(head.edges) * Node::EdgeBytes(t.width);
    const Node node{nullptr, t.edges + block, t.width};
    node.q()[child.entry] = q;
    ++node.visits()[child.entry];
  }
}

// Adds the value of the path's last node to all nodes above it.
template <bool kWide>
ROLLOUT_INLINE void Backup(const Trail& t) {
  const NodeHead* child = &t.Head(t.path[t.depth]);
  float value = child->value, low = t.bounds->low, high = t.bounds->high;
  for (std::int32_t d = t.depth; d-- > 0;) {
    NodeHead& head = t.Head(t.path[d]);
    value = child->reward + child->discount * value;
    const float visits = static_cast<float>(head.visits);
    head.value = (head.value * visits + value) / (visits + 1.0f);
    ++head.visits;
    const float q = child->reward + child->discount * child->value;
    low = q < low ? q : low;
    high = q > high ? q : high;
    VisitEdge<kWide>(t, head, *child, q);
    if (d == 0 && t.squares != nullptr)
      t.squares[ActionOf<kWide>(t.edges, head, *child)] += value * value;
    child = &head;
  }
  *t.bounds = {low, high};
}

// The same for several players: every node keeps each player's mean return, and its value and the Q
// of its actions are those of the player who moves there.
template <bool kWide>
inline void BackupPlayers(const Trail& t) {
  std::int32_t below = t.path[t.depth];
  // the returns so far take the place of a buffer: the leaf's values are kept as they are
  constexpr std::size_t kMost = 16;
  float value[kMost];
  std::copy_n(t.Values(below), t.count, value);
  for (std::int32_t d = t.depth; d-- > 0; below = t.path[d]) {
    NodeHead& head = t.Head(t.path[d]);
    const NodeHead& child = t.Head(below);
    float *const mean = t.Values(t.path[d]), *const reward = t.Rewards(below);
    const float visits = static_cast<float>(head.visits);
    for (std::size_t p = 0; p < t.count; ++p) {
      value[p] = reward[p] + child.discount * value[p];
      mean[p] = (mean[p] * visits + value[p]) / (visits + 1.0f);
    }
    head.value = mean[head.mover];
    ++head.visits;
    const float q = reward[head.mover] + child.discount * t.Values(below)[head.mover];
    t.bounds->low = std::min(t.bounds->low, q);
    t.bounds->high = std::max(t.bounds->high, q);
    VisitEdge<kWide>(t, head, child, q);
  }
}

}  // namespace rollout::search
