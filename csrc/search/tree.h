// The search trees of a batch, in one slab.
//
//   slab   | row 0 | row 1 | ...
//   row    | node 0 (root) | node 1 | ... node N-1 | edges |
//   node   | head, 32 bytes | logits[W] |                        written when it is evaluated
//   edges  what belongs to the actions of a node, made when a descent first passes through it:
//            narrow  | prior[W] | q[W] | visits[W] | child[W] |
//            wide    | size | Edge | Edge | ...                  the visited ones, in order of
//            coming
//
// W is the most edges that a node may have, rounded up to whole vectors: the number of actions A,
// or of outcomes C where nodes await an outcome of chance and that is more. Most nodes are leaves
// that nothing ever passes through: they take one to three cache lines. A node of few actions (at
// most kNarrowVectors) has arrays over all of them; one of many has a list of those visited, and
// whoever reads it spreads the list into arrays of its own, so that rules see the same `Node` for
// both.
//
// A child has one parent, so what mctx keeps an edge of (reward, discount, value of the child)
// lives in the child's head; `q` caches reward + discount * value for selection.
//
// What cannot be chosen never wins a selection: where an action is not allowed its logit is
// kLowest and its prior kForbidden; lanes past a node's own actions, or outcomes, have kLowest and
// kPast.
//
// Owns its memory, uninitialised until a node is evaluated. Distinct rows may be used by distinct
// threads. Size: B N (32 + 4 W) bytes, and for edges 16 W (narrow) or 64 (wide) more a node.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/slab.h"
#include "search/lanes.h"

namespace rollout::search {

inline constexpr std::int32_t kRoot = 0;
inline constexpr std::int32_t kNone = -1;  // no parent, no action, no child yet, no edges yet
inline constexpr float kForbidden = kLowest, kPast = -kInfinity;  // as priors
inline constexpr std::size_t kNarrowVectors = 4;

struct NodeHead {
  std::int32_t visits;      // its own evaluations (the root's count as 1) and the visits below it
  float value;              // mean of its evaluation and of the returns through it
  float raw_value;          // what the model said
  float reward, discount;   // of the edge into it
  std::int32_t parent;      // slot, kNone at the root
  std::int32_t edges;       // where they are in the row, kNone before a descent passed through
  std::uint16_t entry;      // which of its parent's edges leads here: an action if narrow
  std::uint8_t end : 1;     // nothing comes after it: descents stop here
  std::uint8_t chance : 1;  // its edges are outcomes of chance
  std::uint8_t mover;       // the player whose turn it is
};
static_assert(sizeof(NodeHead) == 32);

// An action of a wide node that was visited.
struct Edge {
  std::int32_t action, child, visits;
  float q;
};

// A node as rules see it. `width` is a constant where the kernel knows it.
struct Node {
  std::byte* at;
  std::byte* edges;
  std::size_t width;

  ROLLOUT_INLINE NodeHead& head() const { return *reinterpret_cast<NodeHead*>(at); }
  ROLLOUT_INLINE float* logits() const { return reinterpret_cast<float*>(at + sizeof(NodeHead)); }
  ROLLOUT_INLINE float* prior() const { return Field<float>(0); }
  ROLLOUT_INLINE float* q() const { return Field<float>(1); }
  ROLLOUT_INLINE std::int32_t* visits() const { return Field<std::int32_t>(2); }
  ROLLOUT_INLINE std::int32_t* child() const { return Field<std::int32_t>(3); }

  static constexpr std::size_t Bytes(std::size_t width) {
    return sizeof(NodeHead) + width * sizeof(float);
  }
  static constexpr std::size_t EdgeBytes(std::size_t width) { return 4 * width * sizeof(float); }

 private:
  template <class T>
  ROLLOUT_INLINE T* Field(std::size_t index) const {
    return reinterpret_cast<T*>(edges) + index * width;
  }
};

// The list of a wide node's edges: a block of the row, twice as large each time it is full.
struct EdgeList {
  static constexpr std::size_t kUnit = 64;  // bytes

  std::int32_t size, units;
  std::int32_t unused[2];
  Edge edge[3];  // and more, where units > 1

  std::int32_t capacity() const { return units * static_cast<std::int32_t>(kUnit / 16) - 1; }
};
static_assert(sizeof(EdgeList) == EdgeList::kUnit && sizeof(Edge) == 16);

class Tree {
 public:
  // outcomes: the most of a node that awaits one, 0 where none does.
  Tree(std::size_t batch, std::size_t capacity, std::size_t actions, std::size_t outcomes)
      : batch_(batch),
        capacity_(capacity),
        actions_(actions),
        outcomes_(outcomes),
        width_((columns() + kLanes - 1) / kLanes * kLanes),
        row_bytes_(capacity *
                   (Node::Bytes(width_) + (wide() ? EdgeList::kUnit : Node::EdgeBytes(width_)))),
        used_(batch, 0),
        slab_(batch * row_bytes_) {}

  std::size_t batch() const { return batch_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t actions() const { return actions_; }
  // the most edges of a node
  std::size_t columns() const { return std::max(actions_, outcomes_); }
  // edges of this node
  ROLLOUT_INLINE std::size_t Count(const NodeHead& head) const {
    return head.chance ? outcomes_ : actions_;
  }
  std::size_t width() const { return width_; }
  std::size_t bytes() const { return slab_.bytes(); }
  bool wide() const { return width_ > kNarrowVectors * kLanes; }

  NodeHead& Head(std::size_t row, std::int32_t slot) const {
    return *reinterpret_cast<NodeHead*>(Row(row) +
                                        static_cast<std::size_t>(slot) * Node::Bytes(width_));
  }
  ROLLOUT_INLINE std::byte* Row(std::size_t row) const { return slab_.data() + row * row_bytes_; }
  // where the row's edges start
  ROLLOUT_INLINE std::byte* Edges(std::size_t row, std::size_t width) const {
    return Row(row) + capacity_ * Node::Bytes(width);
  }
  // units of the row's edges that are in use: blocks if narrow, EdgeList::kUnit if wide
  std::int32_t& used(std::size_t row) { return used_[row]; }

  // The action that leads to a node other than the root.
  std::int32_t EntryAction(std::size_t row, const NodeHead& head) const;

  // The node for a reader: made in `scratch` [Node::EdgeBytes(width)] where it is not so stored.
  Node Read(std::size_t row, std::int32_t slot, std::byte* scratch) const;

 private:
  const std::size_t batch_, capacity_, actions_, outcomes_, width_, row_bytes_;
  std::vector<std::int32_t> used_;  // [B]
  Slab slab_;
};

}  // namespace rollout::search
