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

inline constexpr std::int32_t kNone = -1;

struct Head {
  std::int32_t edges;   // where they are, in units; kNone before a descent passed through
  std::uint16_t count;  // of them
  std::uint16_t tried;  // the first so many were taken once (where worlds are not sampled)
  std::uint8_t mover;
  std::uint8_t ended;
  std::uint8_t unused[6];
};
static_assert(sizeof(Head) == 16);

// The edges of a node, by where its block is.
class Edges {
 public:
  ROLLOUT_INLINE Edges(std::byte* at, std::size_t count)
      : at_(at), count_(count), width_(Width(count)) {}

  static constexpr std::size_t Width(std::size_t count) {
    return (count + search::kLanes - 1) / search::kLanes * search::kLanes;
  }
  static constexpr std::size_t Bytes(std::size_t count) {
    return Width(count) * 2 * sizeof(float) +
           count * (sizeof(double) + 2 * sizeof(std::int32_t) + sizeof(std::uint16_t));
  }

  std::size_t count() const { return count_; }
  std::size_t width() const { return width_; }
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

  void Clear() const {
    std::fill_n(q(), width_, -search::kInfinity);
    std::memset(spread(), 0, width_ * sizeof(float) + count_ * (sizeof(double) + 4));
    std::fill_n(child(), count_, kNone);
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

  // The offset of so many more bytes.
  ROLLOUT_INLINE std::size_t Take(std::size_t bytes) {
    const std::size_t at = used_;
    if (at + bytes > slab_.bytes()) [[unlikely]]
      Grow(at + bytes);
    used_ = at + bytes;
    return at;
  }

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
      : world_at_((sizeof(Head) + players * sizeof(double) + 15) / 16 * 16),
        node_bytes_(world_at_ + world_bytes),
        nodes_(kFirst * node_bytes_),
        edges_(kFirst * Edges::Bytes(actions)) {}

  void Clear() {
    nodes_.Clear();
    edges_.Clear();
  }

  ROLLOUT_INLINE Head& head(std::int32_t node) const {
    return *reinterpret_cast<Head*>(nodes_.At(Offset(node)));
  }
  // What everyone got on the edge into the node.
  ROLLOUT_INLINE double* rewards(std::int32_t node) const {
    return reinterpret_cast<double*>(nodes_.At(Offset(node)) + sizeof(Head));
  }
  ROLLOUT_INLINE std::byte* world(std::int32_t node) const {
    return nodes_.At(Offset(node)) + world_at_;
  }
  ROLLOUT_INLINE Edges edges(const Head& head) const {
    return {edges_.At(static_cast<std::size_t>(head.edges) * kUnit), head.count};
  }

  // Nodes are numbered as they come.
  std::int32_t AddNode() {
    const auto node = static_cast<std::int32_t>(nodes_.Take(node_bytes_) / node_bytes_);
    head(node) = {kNone, 0, 0, 0, 0, {}};
    return node;
  }

  Edges AddEdges(std::int32_t node, std::size_t count) {
    const std::size_t bytes = (Edges::Bytes(count) + kUnit - 1) / kUnit * kUnit;
    Head& to = head(node);
    to.edges = static_cast<std::int32_t>(edges_.Take(bytes) / kUnit);
    to.count = static_cast<std::uint16_t>(count);
    const Edges made = edges(to);
    made.Clear();
    return made;
  }

 private:
  static constexpr std::size_t kFirst = 256;  // nodes
  static constexpr std::size_t kUnit = 64;    // bytes: a cache line

  ROLLOUT_INLINE std::size_t Offset(std::int32_t node) const {
    return static_cast<std::size_t>(node) * node_bytes_;
  }

  std::size_t world_at_, node_bytes_;
  Arena nodes_, edges_;
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
