// Expanding a leaf with what the model said, and backing its value up to the root.
//
// Both touch one row: the new node, and the nodes of the path that led to it. O(A) and O(depth).
#pragma once

#include <cstddef>
#include <cstdint>

#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

// Copies a row of logits [A] into the node.
ROLLOUT_INLINE void CopyLogits(const Node& node, const float* logits, std::size_t actions) {
  std::size_t a = 0;
  for (; a + kLanes <= actions; a += kLanes) Store(node.logits() + a, Load(logits + a));
  for (; a < actions; ++a) node.logits()[a] = logits[a];
  for (; a < node.width; ++a) node.logits()[a] = kLowest;
}

// Derives the prior, the softmax of the logits, and marks every action unvisited. Returns false
// where a logit is not finite.
ROLLOUT_INLINE bool OpenNode(const Node& node) {
  const std::size_t vectors = node.width / kLanes;
  F8 highest = Load(node.logits());
  I8 bad = NotFinite(highest);
  for (std::size_t i = 1; i < vectors; ++i) {
    const F8 part = Load(node.logits() + i * kLanes);
    highest = Max(highest, part);
    bad |= NotFinite(part);
  }
  const F8 top = MaxAcross(highest);
  F8 sum = Fill(0.0f);
  for (std::size_t i = 0; i < vectors; ++i) {
    const std::size_t at = i * kLanes;
    const F8 weight = Exp(Load(node.logits() + at) - top);
    sum += weight;
    Store(node.prior() + at, weight);
    Store(node.visits() + at, Fill(0));
    Store(node.child() + at, Fill(kNone));
  }
  const F8 total = SumAcross(sum);
  for (std::size_t i = 0; i < vectors; ++i) {
    const std::size_t at = i * kLanes;
    Store(node.prior() + at, Load(node.prior() + at) / total);
  }
  return OrAcross(bad)[0] == 0;
}

// Adds the value of the path's last node to all nodes above it.
//
//   path: the slots from the root to the leaf, `depth` edges, so depth + 1 slots.
ROLLOUT_INLINE void Backup(std::byte* row, std::size_t width, const std::int32_t* path,
                           std::int32_t depth) {
  const auto at = [&](std::int32_t slot) {
    return Node{row + static_cast<std::size_t>(slot) * Node::Bytes(width), width};
  };
  Node child = at(path[depth]);
  float value = child.head().value;
  for (std::int32_t d = depth; d-- > 0;) {
    const Node node = at(path[d]);
    NodeHead& head = node.head();
    const NodeHead& edge = child.head();
    value = edge.reward + edge.discount * value;
    const float visits = static_cast<float>(head.visits);
    head.value = (head.value * visits + value) / (visits + 1.0f);
    ++head.visits;
    ++head.edge_visits;
    node.q()[edge.action] = edge.reward + edge.discount * edge.value;
    ++node.visits()[edge.action];
    child = node;
  }
}

}  // namespace rollout::search
