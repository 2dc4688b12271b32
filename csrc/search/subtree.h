// Beginning a search from what an earlier one knows: the subtrees below the actions taken since.
//
//   FindSubtrees   which nodes of every row are kept
//   Graft          copies those of a row into a tree whose root is placed already
//
// Kept nodes keep their order, so that a parent's slot is below its children's. The new root is
// what the new search says of it; of the old node in its place only the edges are kept. Where a
// node is dropped (there is a most, or its action is no longer allowed) the tree becomes what it
// were had the simulations through that node not been made.
//
// An edge that was closed (see close.h) below the new root stays closed: the model would be asked
// of the state that was kept, and say the same. The root's own edges are open again, its state
// being another. What was closed is not copied into the new search's list. Steps of a search that
// kept no doubts have none here.
//
// Reads the earlier tree; distinct rows may be used by distinct threads. O(nodes A) a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "search/backup.h"
#include "search/disagreement.h"
#include "search/tree.h"

namespace rollout::search {

struct Subtrees {
  // [B] the kept nodes' slots, ascending, so the root first; empty where a row starts afresh
  std::vector<std::vector<std::int32_t>> slots;
  std::size_t most = 1;     // nodes of a row, a fresh root included
  std::int32_t height = 0;  // edges from a root to the deepest node

  std::size_t nodes(std::size_t row) const { return slots[row].empty() ? 1 : slots[row].size(); }
};

// What is kept of a row: the most visited nodes where there are too many.
struct Keep {
  std::size_t nodes;                      // at most, the root included; at least 1
  std::int32_t depth;                     // edges from the root to the deepest
  const std::uint8_t* invalid = nullptr;  // [B, A] nonzero where not allowed at the root, or null
};

constexpr std::int64_t kNothingDone = -2;  // as an action: the row is where it was

// actions [B, length]: what was taken from each root, and what came of it at chance nodes, in
// order. A row starts afresh where one of them is another negative number or was never visited, or
// where the node is at an end or awaits an outcome of chance.
Subtrees FindSubtrees(const Tree& tree, const std::int64_t* actions, std::size_t length,
                      const Keep& keep);

// One row of a tree, its players' means and rewards [N, 2, P] (null for one player), and what its
// model does not know [N] (or null).
struct TreeRow {
  const Tree* tree;
  std::size_t row;
  float* players;
  std::size_t count;  // P
  Doubt* doubts;

  NodeHead& Head(std::int32_t slot) const { return tree->Head(row, slot); }
  Node At(std::int32_t slot) const {
    return {reinterpret_cast<std::byte*>(&Head(slot)), nullptr, tree->width()};
  }
  float* Means(std::int32_t slot) const {
    return players + static_cast<std::size_t>(slot) * 2 * count;
  }
};

// slots: of `from`, as found above. used: of the row of `to`, see Tree::used. bounds: set to those
// of the kept edges. squares [W] or null: likewise the sums of squared returns of the root's
// actions, for one player.
void Graft(const TreeRow& from, const TreeRow& to, std::span<const std::int32_t> slots,
           std::int32_t& used, Bounds& bounds, float* squares);

}  // namespace rollout::search
