// One row's tree, and what its thread works with. See uct.h for the layout.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/slab.h"
#include "search/lanes.h"

namespace rollout::uct {

// What a block begins with.
struct Node {
  float explore;        // c sqrt(ln N) of its N visits
  std::uint16_t count;  // of edges
  std::uint16_t tried;  // the first so many were taken once (where worlds are not sampled)
  std::uint8_t full;    // all were
  std::uint8_t open;    // has its edges
  std::uint8_t mover;
  std::uint8_t ended;
  std::int32_t unused;

  // What everyone got on the edge into it.
  double* rewards() { return reinterpret_cast<double*>(this + 1); }
};
static_assert(sizeof(Node) == 16);

// The edges of a node, by where they are.
class Edges {
 public:
  static constexpr std::int32_t kNobody = 0;  // as a link: the block that the root began in

  ROLLOUT_INLINE Edges(std::byte* at, std::size_t count)
      : at_(at), count_(count), width_(Width(count)) {}

  static constexpr std::size_t Width(std::size_t count) {
    return (count + search::kLanes - 1) / search::kLanes * search::kLanes;
  }
  static constexpr std::size_t Bytes(std::size_t count) {
    return Width(count) * 2 * sizeof(float) +
           count * (sizeof(double) + 2 * sizeof(std::int32_t) + sizeof(std::uint16_t));
  }

  ROLLOUT_INLINE std::size_t count() const { return count_; }
  ROLLOUT_INLINE std::size_t width() const { return width_; }
  ROLLOUT_INLINE float* q() const { return reinterpret_cast<float*>(at_); }
  ROLLOUT_INLINE float* spread() const { return q() + width_; }
  ROLLOUT_INLINE double* sum() const { return reinterpret_cast<double*>(spread() + width_); }
  ROLLOUT_INLINE std::int32_t* visits() const {
    return reinterpret_cast<std::int32_t*>(sum() + count_);
  }
  ROLLOUT_INLINE std::int32_t* child() const { return visits() + count_; }
  ROLLOUT_INLINE std::uint16_t* action() const {
    return reinterpret_cast<std::uint16_t*>(child() + count_);
  }

  // The next choice reads all lanes at once: written alone, this one would be waited for.
  ROLLOUT_INLINE static void Write(float* lanes, std::size_t edge, float value) {
    constexpr search::I8 kLane = {0, 1, 2, 3, 4, 5, 6, 7};
    const std::size_t lane = edge % search::kLanes;
    float* const at = lanes + (edge - lane);
    const search::I8 here = kLane == static_cast<std::int32_t>(lane);
    search::Store(at, search::Select(here, search::Fill(value), search::Load(at)));
  }

  void Clear() const {
    std::fill_n(q(), width_, -search::kInfinity);
    std::memset(spread(), 0,
                width_ * sizeof(float) + count_ * (sizeof(double) + 2 * sizeof(std::int32_t)));
  }

 private:
  std::byte* at_;
  std::size_t count_, width_;
};

// Memory that only grows, by doubling; what it holds moves then.
class Arena {
 public:
  explicit Arena(std::size_t bytes) : slab_(bytes) {}

  std::byte* At(std::size_t offset) const { return slab_.data() + offset; }
  void Clear() { used_ = 0; }

  // Nothing moves until so many more bytes are taken.
  ROLLOUT_INLINE void Reserve(std::size_t bytes) {
    if (used_ + bytes > slab_.bytes()) [[unlikely]]
      Grow(used_ + bytes);
  }

  // The offset of so many more bytes, which were reserved.
  ROLLOUT_INLINE std::size_t Take(std::size_t bytes) { return std::exchange(used_, used_ + bytes); }

 private:
  __attribute__((noinline)) void Grow(std::size_t least) {
    std::size_t bytes = 2 * slab_.bytes();
    while (bytes < least) bytes *= 2;
    Slab larger(bytes);
    std::memcpy(larger.data(), slab_.data(), used_);
    slab_ = std::move(larger);
  }

  Slab slab_;
  std::size_t used_ = 0;
};

class Tree {
 public:
  // world_bytes: 0 where worlds are sampled.
  Tree(std::size_t players, std::size_t world_bytes, std::size_t actions)
      : world_at_(RoundUp(sizeof(Node) + players * sizeof(double), 16)),
        edges_at_(RoundUp(world_at_ + world_bytes, kUnit)),
        most_(edges_at_ + RoundUp(Edges::Bytes(actions), kUnit)),
        arena_(kFirst * most_) {}

  void Clear() { arena_.Clear(); }

  // Nothing moves while one node is added, and one is opened.
  ROLLOUT_INLINE void Reserve() { arena_.Reserve(edges_at_ + most_); }

  ROLLOUT_INLINE Node* At(std::int32_t link) const {
    return reinterpret_cast<Node*>(arena_.At(static_cast<std::size_t>(link) * kUnit));
  }
  ROLLOUT_INLINE std::byte* world(Node* node) const {
    return reinterpret_cast<std::byte*>(node) + world_at_;
  }
  ROLLOUT_INLINE Edges edges(Node* node) const {
    return {reinterpret_cast<std::byte*>(node) + edges_at_, node->count};
  }

  // A node without edges.
  ROLLOUT_INLINE std::int32_t Add() { return Take(edges_at_); }

  // A copy of a node, with edges; the node is to be forgotten.
  std::int32_t Open(const Node& node, std::size_t count) {
    const std::int32_t link = Take(edges_at_ + RoundUp(Edges::Bytes(count), kUnit));
    Node* const to = At(link);
    std::memcpy(static_cast<void*>(to), &node, edges_at_);
    to->open = 1;
    to->count = static_cast<std::uint16_t>(count);
    edges(to).Clear();
    return link;
  }

 private:
  static constexpr std::size_t kFirst = 256;  // nodes
  static constexpr std::size_t kUnit = 64;    // bytes: a cache line

  static constexpr std::size_t RoundUp(std::size_t bytes, std::size_t unit) {
    return (bytes + unit - 1) / unit * unit;
  }
  ROLLOUT_INLINE std::int32_t Take(std::size_t bytes) {
    return static_cast<std::int32_t>(arena_.Take(bytes) / kUnit);
  }

  std::size_t world_at_, edges_at_, most_;
  Arena arena_;
};

// sqrt(ln n) and 1 / sqrt(n), which every choice and every backup needs.
class Roots {
 public:
  static constexpr std::int32_t kTabled = 1 << 14;

  Roots() {
    for (std::int32_t n = 1; n < kTabled; ++n) {
      table_[static_cast<std::size_t>(n)] = {ComputeRootLog(n), ComputeInverseRoot(n)};
    }
  }
  ROLLOUT_INLINE float RootLog(std::int32_t n) const {
    return n < kTabled ? table_[static_cast<std::size_t>(n)].first : ComputeRootLog(n);
  }
  ROLLOUT_INLINE float InverseRoot(std::int32_t n) const {
    return n < kTabled ? table_[static_cast<std::size_t>(n)].second : ComputeInverseRoot(n);
  }

 private:
  static float ComputeRootLog(std::int32_t n) {
    return static_cast<float>(std::sqrt(std::log(static_cast<double>(n))));
  }
  static float ComputeInverseRoot(std::int32_t n) {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(n)));
  }

  std::vector<std::pair<float, float>> table_{kTabled};
};

}  // namespace rollout::uct
