// Writing what the model said of a leaf, and backing its value up to the root.
//
// Both touch one row: the new node, and the nodes of the path that led to it. O(A) and O(depth).
#pragma once

#include <cstddef>
#include <cstdint>

#include "search/edges.h"
#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

// Copies a row of logits [A] into the node; kLowest where `invalid` [A] (or null) is nonzero.
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

// Adds the value of the path's last node to all nodes above it.
//
//   path: the slots from the root to the leaf, `depth` edges, so depth + 1 slots.
template <bool kWide>
ROLLOUT_INLINE void Backup(std::byte* row, std::byte* edges, std::size_t width,
                           const std::int32_t* path, std::int32_t depth) {
  const auto at = [&](std::int32_t slot) -> NodeHead& {
    return *reinterpret_cast<NodeHead*>(row + static_cast<std::size_t>(slot) * Node::Bytes(width));
  };
  const NodeHead* child = &at(path[depth]);
  float value = child->value;
  for (std::int32_t d = depth; d-- > 0;) {
    NodeHead& head = at(path[d]);
    value = child->reward + child->discount * value;
    const float visits = static_cast<float>(head.visits);
    head.value = (head.value * visits + value) / (visits + 1.0f);
    ++head.visits;
    const float q = child->reward + child->discount * child->value;
    if constexpr (kWide) {
      Edge& edge = ListOf(edges, head)->edge[child->entry];
      edge.q = q;
      ++edge.visits;
    } else {
      const auto block = static_cast<std::size_t>(head.edges) * Node::EdgeBytes(width);
      const Node node{nullptr, edges + block, width};
      node.q()[child->entry] = q;
      ++node.visits()[child->entry];
    }
    child = &head;
  }
}

}  // namespace rollout::search
