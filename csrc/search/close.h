// Closing an edge: a step that must not be taken leaves the tree, with all that lies behind it.
//
// A closed edge is as one that was never allowed: its logit is kLowest, it has no child and no
// visits, the prior of the others grows by its share, and the means above it lose the returns that
// came through it. Where a node is left nothing to choose, or where it awaits an outcome of chance,
// the edge into it is closed too, and so on up to the root. What was closed is kept in a list
// beside the tree; the slots behind it are not used again.
//
// Touches one row: the nodes of one path, and its list. O(A) a closed edge and O(depth).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "search/backup.h"
#include "search/edges.h"
#include "search/tree.h"

namespace rollout::search {

struct Closing {
  std::int32_t parent, slot, action;  // slot: where the node at its end is, or would have been
  std::int32_t first;                 // the root's action on whose branch it is
  std::int32_t visits;                // that were taken out of the tree with it
  float excess;  // how far the step is over its limit; 0 where all after it was closed
  float worth;   // the return of the path, from the root, where excess is above 0
  float logit;   // its logit before
};

inline bool IsClosed(const Node& node, std::int32_t action) {
  return node.logits()[action] == kLowest;
}

inline bool AllClosed(const Node& node) {
  F8 highest = Fill(kLowest);
  for (std::size_t i = 0; i < node.width; i += kLanes)
    highest = Max(highest, Load(node.logits() + i));
  return MaxAcross(highest)[0] == kLowest;
}

// A node of the path: its edges are there, since a descent passed through it.
template <bool kWide>
inline Node NodeOf(const Trail& t, std::int32_t depth) {
  NodeHead& head = t.Head(t.path[depth]);
  std::byte* edges = nullptr;
  if constexpr (!kWide)
    edges = t.edges + static_cast<std::size_t>(head.edges) * Node::EdgeBytes(t.width);
  return {reinterpret_cast<std::byte*>(&head), edges, t.width};
}

// The action that the path takes at a depth; `last` is that of its end.
template <bool kWide>
inline std::int32_t ActionAt(const Trail& t, std::int32_t depth, std::int32_t last) {
  if (depth + 1 == t.depth) return last;
  return static_cast<std::int32_t>(
      ActionOf<kWide>(t.edges, t.Head(t.path[depth]), t.Head(t.path[depth + 1])));
}

// Whether an edge of the path was closed since the descent, by another leaf of the same wave.
template <bool kWide>
inline bool IsCut(const Trail& t, std::int32_t last) {
  for (std::int32_t d = 0; d < t.depth; ++d) {
    if (IsClosed(NodeOf<kWide>(t, d), ActionAt<kWide>(t, d, last))) return true;
  }
  return false;
}

// The visits of an edge and its Q, where they are stored.
struct EdgeFields {
  std::int32_t *visits, *child;
  float* q;
};

template <bool kWide>
inline EdgeFields FieldsOf(const Trail& t, const Node& node, std::int32_t action) {
  if constexpr (kWide) {
    const std::int32_t entry = EntryOf(t.edges, node.head(), action);
    if (entry == kNone) return {};
    Edge& edge = ListOf(t.edges, node.head())->edge[entry];
    return {&edge.visits, &edge.child, &edge.q};
  } else {
    return {node.visits() + action, node.child() + action, node.q() + action};
  }
}

// Takes the returns that came through the path's edge at `depth` out of all means above it.
template <bool kWide>
inline void TakeOut(const Trail& t, std::int32_t depth, std::int32_t visits, std::int32_t last) {
  constexpr std::size_t kMostSums = 16;
  double sum[kMostSums];  // of those returns, one a player
  double doubt = 0.0;     // and of what was not known of them
  const auto n = static_cast<double>(visits);
  const NodeHead* child = &t.Head(t.path[depth + 1]);
  for (std::size_t p = 0; p < t.count; ++p)
    sum[p] = n * (t.count == 1 ? child->value : t.Values(t.path[depth + 1])[p]);
  if (t.doubts != nullptr) doubt = n * t.doubts[t.path[depth + 1]].below;
  for (std::int32_t d = depth; d >= 0; --d) {
    NodeHead& head = t.Head(t.path[d]);
    const double all = head.visits, left = all - n;
    const std::int32_t below = t.path[d + 1];
    for (std::size_t p = 0; p < t.count; ++p) {
      sum[p] = n * (t.count == 1 ? child->reward : t.Rewards(below)[p]) + child->discount * sum[p];
      float& mean = t.count == 1 ? head.value : t.Values(t.path[d])[p];
      mean = static_cast<float>((mean * all - sum[p]) / left);
    }
    if (t.doubts != nullptr) {
      doubt = n * t.doubts[below].own + std::abs(child->discount) * doubt;
      float& mean = t.doubts[t.path[d]].below;
      mean = left == 1.0 ? 0.0f : static_cast<float>((mean * all - doubt) / left);
    }
    head.visits -= visits;
    // with nothing below it left, a node is worth what the model said of it
    if (t.count > 1) {
      head.value = t.Values(t.path[d])[head.mover];
    } else if (head.visits == 1) {
      head.value = head.raw_value;
    }
    const std::int32_t action = ActionAt<kWide>(t, d, last);
    if (d == 0 && t.squares != nullptr) {
      // by no more than their squares were: the spread of the others is never put too low
      t.squares[action] -= static_cast<float>(sum[0] * sum[0] / n);
    }
    if (d < depth) {
      const EdgeFields edge = FieldsOf<kWide>(t, NodeOf<kWide>(t, d), action);
      *edge.visits -= visits;
      const std::size_t who = head.mover;
      *edge.q = t.count == 1 ? child->reward + child->discount * child->value
                             : t.Rewards(below)[who] + child->discount * t.Values(below)[who];
    }
    child = &head;
  }
}

// Closes the edge that a path ends in. excess, worth: see Closing.
template <bool kWide>
inline void Close(const Tree& tree, const Trail& t, std::int32_t last, float excess, float worth,
                  std::vector<Closing>& closings) {
  const std::int32_t first = ActionAt<kWide>(t, 0, last);
  for (std::int32_t d = t.depth - 1;; --d) {
    const Node node = NodeOf<kWide>(t, d);
    const std::int32_t action = ActionAt<kWide>(t, d, last);
    const EdgeFields edge = FieldsOf<kWide>(t, node, action);
    const std::int32_t visits = edge.visits == nullptr ? 0 : *edge.visits;
    closings.push_back(
        {t.path[d], t.path[d + 1], action, first, visits, excess, worth, node.logits()[action]});
    if (visits > 0) TakeOut<kWide>(t, d, visits, last);
    if (edge.visits != nullptr) {
      *edge.visits = 0;
      *edge.child = kNone;
    }
    node.logits()[action] = kLowest;
    if constexpr (!kWide) DerivePrior(node, tree.Count(node.head()));
    // nobody chooses an outcome of chance: an action that may lead to this one is closed with it
    if (d == 0 || !(node.head().chance || AllClosed(node))) return;
    excess = worth = 0.0f;
  }
}

}  // namespace rollout::search
