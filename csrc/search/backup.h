// Expanding a leaf with what the model said, and backing its value up to the root.
//
// Both touch one row: the new node, and the nodes of the path that led to it. O(A) and O(depth).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

// One evaluation of one row.
struct Evaluation {
  float reward = 0.0f, discount = 0.0f, value = 0.0f;
  const float* logits = nullptr;  // [A]
};

// Stores the logits and their softmax, and marks every action unvisited. Returns false where a
// logit is not finite.
ROLLOUT_INLINE bool OpenNode(const Node& node, const float* logits, std::size_t actions) {
  const std::size_t vectors = node.width / kLanes;
  for (std::size_t i = actions; i < node.width; ++i) node.logits()[i] = kLowest;
  std::memcpy(node.logits(), logits, actions * sizeof(float));
  F8 highest = Load(node.logits());
  I8 bad = NotFinite(highest);
  for (std::size_t i = 1; i < vectors; ++i) {
    const F8 part = Load(node.logits() + i * kLanes);
    highest = Max(highest, part);
    bad |= NotFinite(part);
  }
  const F8 top = Fill(MaxAcross(highest));
  F8 sum = Fill(0.0f);
  for (std::size_t i = 0; i < vectors; ++i) {
    const std::size_t at = i * kLanes;
    const F8 weight = Exp(Load(node.logits() + at) - top);
    sum += weight;
    Store(node.prior() + at, weight);
    Store(node.visits() + at, Fill(0));
    Store(node.child() + at, Fill(kNone));
  }
  const F8 total = Fill(SumAcross(sum));
  for (std::size_t i = 0; i < vectors; ++i) {
    const std::size_t at = i * kLanes;
    Store(node.prior() + at, Load(node.prior() + at) / total);
  }
  return OrAcross(bad) == 0;
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
