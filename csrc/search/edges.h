// The edges of a node: made from its logits, spread from a list and gathered again, grown.
//
// All touch one row. O(A), but Visited: O(1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "search/lanes.h"
#include "search/tree.h"

namespace rollout::search {

// Derives the prior: the softmax of the logits.
// count: the node's edges; lanes past them are no actions.
ROLLOUT_INLINE void DerivePrior(const Node& node, std::size_t count) {
  const std::size_t vectors = node.width / kLanes;
  F8 highest = Load(node.logits());
  for (std::size_t i = 1; i < vectors; ++i)
    highest = Max(highest, Load(node.logits() + i * kLanes));
  const F8 top = MaxAcross(highest);
  F8 sum = Fill(0.0f);
  for (std::size_t i = 0; i < vectors; ++i) {
    const std::size_t at = i * kLanes;
    const F8 weight = Exp(Load(node.logits() + at) - top);
    sum += weight;
    Store(node.prior() + at, weight);
  }
  const F8 total = SumAcross(sum);
  const I8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
  for (std::size_t i = 0; i < vectors; ++i) {
    const std::size_t at = i * kLanes;
    const I8 allowed = Load(node.logits() + at) > kLowest;
    const I8 past = lane + static_cast<std::int32_t>(at) >= static_cast<std::int32_t>(count);
    const F8 barred = Select(past, Fill(kPast), Fill(kForbidden));
    Store(node.prior() + at, Select(allowed, Load(node.prior() + at) / total, barred));
  }
}

// Derives the prior and marks every action unvisited.
ROLLOUT_INLINE void OpenEdges(const Node& node, std::size_t count) {
  DerivePrior(node, count);
  for (std::size_t at = 0; at < node.width; at += kLanes) {
    Store(node.visits() + at, Fill(0));
    Store(node.child() + at, Fill(kNone));
  }
}

// The list of a wide node, or null before it has one.
ROLLOUT_INLINE EdgeList* ListOf(std::byte* edges, const NodeHead& head) {
  if (head.edges == kNone) return nullptr;
  return reinterpret_cast<EdgeList*>(edges +
                                     static_cast<std::size_t>(head.edges) * EdgeList::kUnit);
}

// Spreads a list into arrays over all of a node's edges.
ROLLOUT_INLINE void Spread(const Node& node, const EdgeList* list, std::size_t count) {
  OpenEdges(node, count);
  for (std::int32_t i = 0; list != nullptr && i < list->size; ++i) {
    const Edge& edge = list->edge[i];
    node.q()[edge.action] = edge.q;
    node.visits()[edge.action] = edge.visits;
    node.child()[edge.action] = edge.child;
  }
}

// Adds an unvisited edge to a wide node's list and returns its entry.
inline std::int32_t Append(std::byte* edges, std::int32_t& used, NodeHead& head,
                           std::int32_t action, std::int32_t child) {
  EdgeList* list = ListOf(edges, head);
  if (list == nullptr || list->size == list->capacity()) {
    const std::int32_t units = list == nullptr ? 1 : 2 * list->units;
    const EdgeList* const old = list;
    head.edges = used;
    used += units;
    list = ListOf(edges, head);
    if (old != nullptr) {
      std::memcpy(list, old, static_cast<std::size_t>(old->units) * EdgeList::kUnit);
    } else {
      list->size = 0;
    }
    list->units = units;
  }
  list->edge[list->size] = {action, child, 0, 0.0f};
  return list->size++;
}

// The entry of an action in a wide node's list, kNone where it is not there.
inline std::int32_t EntryOf(std::byte* edges, const NodeHead& head, std::int32_t action) {
  const EdgeList* const list = ListOf(edges, head);
  for (std::int32_t i = 0; list != nullptr && i < list->size; ++i) {
    if (list->edge[i].action == action) return i;
  }
  return kNone;
}

// The action that leads to a child.
template <bool kWide>
ROLLOUT_INLINE std::size_t ActionOf(std::byte* edges, const NodeHead& head, const NodeHead& child) {
  if constexpr (!kWide) return child.entry;
  return static_cast<std::size_t>(ListOf(edges, head)->edge[child.entry].action);
}

// Adds `by` visits that are no visits yet to an edge and to its node, so that other descents of the
// same wave go elsewhere. An edge with none before is worth what its node is.
template <bool kWide>
inline void VisitVirtually(std::byte* edges, std::int32_t& used, std::size_t width, NodeHead& head,
                           std::int32_t action, std::int32_t by) {
  head.visits += by;
  if constexpr (kWide) {
    std::int32_t entry = EntryOf(edges, head, action);
    if (entry == kNone) entry = Append(edges, used, head, action, kNone);
    Edge& edge = ListOf(edges, head)->edge[entry];
    if (edge.visits == 0) edge.q = head.value;
    edge.visits += by;
  } else {
    const auto block = static_cast<std::size_t>(head.edges) * Node::EdgeBytes(width);
    const Node node{nullptr, edges + block, width};
    if (node.visits()[action] == 0) node.q()[action] = head.value;
    node.visits()[action] += by;
  }
}

inline std::int32_t Tree::EntryAction(std::size_t row, const NodeHead& head) const {
  const NodeHead& above = Head(row, head.parent);
  std::byte* const edges = Edges(row, width_);
  return static_cast<std::int32_t>(wide() ? ActionOf<true>(edges, above, head)
                                          : ActionOf<false>(edges, above, head));
}

inline Node Tree::Read(std::size_t row, std::int32_t slot, std::byte* scratch) const {
  std::byte* const at = reinterpret_cast<std::byte*>(&Head(row, slot));
  const Node node{at, scratch, width_};
  std::byte* const edges = Edges(row, width_);
  if (wide()) {
    Spread(node, ListOf(edges, node.head()), Count(node.head()));
  } else if (node.head().edges == kNone) {
    OpenEdges(node, Count(node.head()));
  } else {
    return {at, edges + static_cast<std::size_t>(node.head().edges) * Node::EdgeBytes(width_),
            width_};
  }
  return node;
}

}  // namespace rollout::search
