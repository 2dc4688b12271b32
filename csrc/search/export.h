// The trees as dense arrays, in mctx's layout: [B, N] a node's field, [B, N, F] an edge's, F the
// most edges of a node; of some rows, [rows, ...].
//
// Slots that no simulation reached keep the empty value. Memory belongs to the caller. O(N A) a
// row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "search/edges.h"
#include "search/tree.h"

namespace rollout::search {

struct Range {
  std::size_t begin, end;

  std::size_t count() const { return end - begin; }
};

// Calls visit(row, slot, node) for every node of some rows.
template <class Visit>
void ForEachNode(const Tree& tree, Range rows, Visit&& visit) {
  std::vector<std::int32_t> open;
  std::vector<std::byte> scratch(Node::EdgeBytes(tree.width()));
  for (std::size_t row = rows.begin; row < rows.end; ++row) {
    open.assign(1, kRoot);
    while (!open.empty()) {
      const std::int32_t slot = open.back();
      open.pop_back();
      const Node node = tree.Read(row, slot, scratch.data());
      visit(row, static_cast<std::size_t>(slot), node);
      for (std::size_t a = 0; a < tree.columns(); ++a) {
        if (node.child()[a] != kNone) open.push_back(node.child()[a]);
      }
    }
  }
}

// out: [rows, N]; get(node) is the field.
template <class T, class Get>
void ExportNodes(const Tree& tree, Range rows, T empty, Get&& get, T* out) {
  std::fill_n(out, rows.count() * tree.capacity(), empty);
  ForEachNode(tree, rows, [&](std::size_t row, std::size_t slot, const Node& node) {
    out[(row - rows.begin) * tree.capacity() + slot] = get(node);
  });
}

// out: [rows, N, F]; get(node, action, child) is the field, `child` null where there is none.
template <class T, class Get>
void ExportEdges(const Tree& tree, Range rows, T empty, Get&& get, T* out) {
  std::fill_n(out, rows.count() * tree.capacity() * tree.columns(), empty);
  ForEachNode(tree, rows, [&](std::size_t row, std::size_t slot, const Node& node) {
    T* const at = out + ((row - rows.begin) * tree.capacity() + slot) * tree.columns();
    for (std::size_t a = 0; a < tree.columns(); ++a) {
      const std::int32_t child = node.child()[a];
      const NodeHead* head = child == kNone ? nullptr : &tree.Head(row, child);
      at[a] = get(node, a, head);
    }
  });
}

}  // namespace rollout::search
