// The search trees of a batch, in one slab.
//
//   slab   | row 0: node 0 (root), node 1, ... node N-1 | row 1: node 0, ... | ...
//
//   node   | head, 32 bytes | prior[W] | q[W] | visits[W] | child[W] | logits[W] |
//            what belongs to   what belongs to the edges that leave the node, one entry an action
//            the node and to
//            the edge into it
//
// W is the number of actions A rounded up to whole vectors. A node is one contiguous block because
// a descent reads all of a node and then jumps: for A = 18 that is seven cache lines in a row,
// where one array a field for the whole batch would touch as many in seven places. Within a node
// each field is an array, so that selection works eight actions at a time.
//
// A child has one parent, so what mctx keeps an edge of (reward, discount, value of the child)
// lives in the child's head; `q` caches reward + discount * value for selection.
//
// The lanes past A never win a selection: prior 0, visits 0, child kNone, logits kLowest.
//
// Owns its memory, uninitialised until a node is expanded. Distinct rows may be used by distinct
// threads. Size: B * N * (32 + 20 W) bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/slab.h"
#include "search/lanes.h"

namespace rollout::search {

inline constexpr std::int32_t kRoot = 0;
inline constexpr std::int32_t kNone = -1;  // no parent, no action, no child yet

struct NodeHead {
  std::int32_t visits;       // of the node: 1 for its own evaluation and 1 a visit below it
  float value;               // mean of its evaluation and of the returns through it
  float raw_value;           // what the model said
  float reward, discount;    // of the edge into it
  std::int32_t parent;       // slot, kNone at the root
  std::int32_t action;       // taken at the parent, kNone at the root
  std::int32_t edge_visits;  // sum of visits[] over its actions
};

// A node's arrays. `width` is a constant where the kernel knows it.
struct Node {
  std::byte* at;
  std::size_t width;

  ROLLOUT_INLINE NodeHead& head() const { return *reinterpret_cast<NodeHead*>(at); }
  ROLLOUT_INLINE float* prior() const { return Field<float>(0); }
  ROLLOUT_INLINE float* q() const { return Field<float>(1); }
  ROLLOUT_INLINE std::int32_t* visits() const { return Field<std::int32_t>(2); }
  ROLLOUT_INLINE std::int32_t* child() const { return Field<std::int32_t>(3); }
  ROLLOUT_INLINE float* logits() const { return Field<float>(4); }

  static constexpr std::size_t Bytes(std::size_t width) {
    return sizeof(NodeHead) + 5 * width * sizeof(float);
  }

 private:
  template <class T>
  ROLLOUT_INLINE T* Field(std::size_t index) const {
    return reinterpret_cast<T*>(at + sizeof(NodeHead)) + index * width;
  }
};

class Tree {
 public:
  Tree(std::size_t batch, std::size_t capacity, std::size_t actions)
      : batch_(batch),
        capacity_(capacity),
        actions_(actions),
        width_((actions + kLanes - 1) / kLanes * kLanes),
        slab_(batch * capacity * Node::Bytes(width_)) {}

  std::size_t batch() const { return batch_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t actions() const { return actions_; }
  std::size_t width() const { return width_; }

  ROLLOUT_INLINE std::byte* Row(std::size_t row) const {
    return slab_.data() + row * capacity_ * Node::Bytes(width_);
  }
  ROLLOUT_INLINE Node At(std::size_t row, std::int32_t slot) const {
    return {Row(row) + static_cast<std::size_t>(slot) * Node::Bytes(width_), width_};
  }

 private:
  const std::size_t batch_, capacity_, actions_, width_;
  Slab slab_;
};

}  // namespace rollout::search
