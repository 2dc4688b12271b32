#include "search/subtree.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "search/edges.h"

namespace rollout::search {
namespace {

// Calls visit(action, child, visits, q) for every edge that leads to a node, by reference.
template <class Visit>
void ForEachChild(const Tree& tree, std::size_t row, const NodeHead& head, Visit&& visit) {
  if (head.edges == kNone) return;
  std::byte* const edges = tree.Edges(row, tree.width());
  if (tree.wide()) {
    EdgeList* const list = ListOf(edges, head);
    for (Edge& edge : std::span(list->edge, static_cast<std::size_t>(list->size))) {
      if (edge.child != kNone) visit(edge.action, edge.child, edge.visits, edge.q);
    }
    return;
  }
  const auto block = static_cast<std::size_t>(head.edges) * Node::EdgeBytes(tree.width());
  const Node node{nullptr, edges + block, tree.width()};
  for (std::size_t a = 0; a < tree.Count(head); ++a) {
    if (node.child()[a] == kNone) continue;
    visit(static_cast<std::int32_t>(a), node.child()[a], node.visits()[a], node.q()[a]);
  }
}

std::int32_t ChildOf(const Tree& tree, std::size_t row, std::int32_t slot, std::int64_t action) {
  std::int32_t found = kNone;
  ForEachChild(tree, row, tree.Head(row, slot),
               [&](std::int32_t a, std::int32_t child, std::int32_t, float) {
                 if (a == action) found = child;
               });
  return found;
}

using DeepSlot = std::pair<std::int32_t, std::int32_t>;  // and its depth

// The nodes below `root` that may be kept, breadth first.
std::vector<DeepSlot> Below(const Tree& tree, std::size_t row, std::int32_t root,
                            const Keep& keep) {
  std::vector<DeepSlot> found{{root, 0}};
  const std::uint8_t* const invalid =
      keep.invalid == nullptr ? nullptr : keep.invalid + row * tree.actions();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [slot, depth] = found[i];
    if (depth >= keep.depth) continue;
    ForEachChild(tree, row, tree.Head(row, slot),
                 [&](std::int32_t action, std::int32_t child, std::int32_t, float) {
                   if (depth == 0 && invalid != nullptr && invalid[action] != 0) return;
                   found.emplace_back(child, depth + 1);
                 });
  }
  return found;
}

// The work of Graft, a step a method.
class Grafting {
 public:
  Grafting(const TreeRow& from, const TreeRow& to, std::span<const std::int32_t> slots,
           std::int32_t& used)
      : from_(from),
        to_(to),
        slots_(slots),
        used_(used),
        renamed_(static_cast<std::size_t>(slots.back()) + 1, kNone),
        evaluations_(slots.size()),
        changed_(slots.size(), 0) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      renamed_[static_cast<std::size_t>(slots[i])] = static_cast<std::int32_t>(i);
    }
  }

  std::int32_t size() const { return static_cast<std::int32_t>(slots_.size()); }

  // A node but for its edges.
  void CopyNode(std::int32_t slot) {
    const std::int32_t old = Old(slot);
    std::memcpy(to_.At(slot).at, from_.At(old).at, Node::Bytes(to_.tree->width()));
    NodeHead& head = to_.Head(slot);
    head.parent = renamed_[static_cast<std::size_t>(head.parent)];
    head.edges = kNone;
    if (to_.players != nullptr) std::copy_n(from_.Means(old), 2 * to_.count, to_.Means(slot));
    if (to_.doubts != nullptr && from_.doubts != nullptr) to_.doubts[slot] = from_.doubts[old];
  }

  void CopyEdges(std::int32_t slot) {
    const NodeHead& old = from_.Head(Old(slot));
    std::int32_t visits_below = 0;
    ForEachChild(*from_.tree, from_.row, old,
                 [&](std::int32_t action, std::int32_t child, std::int32_t visits, float q) {
                   visits_below += visits;
                   const auto at = static_cast<std::size_t>(child);
                   const std::int32_t now = at < renamed_.size() ? renamed_[at] : kNone;
                   if (now == kNone) {
                     changed_[static_cast<std::size_t>(slot)] = 1;
                   } else {
                     AddEdge(slot, action, now, visits, q);
                   }
                 });
    // a node that descents stopped at was evaluated more than once
    evaluations_[static_cast<std::size_t>(slot)] = slot == kRoot ? 1 : old.visits - visits_below;
  }

  // Counts a node anew where something below it was dropped; its children are done.
  void Recount(std::int32_t slot) {
    const auto at = static_cast<std::size_t>(slot);
    NodeHead& head = to_.Head(slot);
    bool changed = slot == kRoot || changed_[at] != 0;
    EachChild(slot, [&](std::int32_t, std::int32_t child, std::int32_t, float) {
      changed |= changed_[static_cast<std::size_t>(child)] != 0;
    });
    if (!changed) return;
    changed_[at] = 1;
    const bool many = to_.players != nullptr;
    const double own = evaluations_[at];
    std::int32_t visits_in_all = evaluations_[at];
    double sum = own * static_cast<double>(head.raw_value), doubt = 0.0;
    EachChild(slot, [&](std::int32_t, std::int32_t child, std::int32_t& visits, float& q) {
      const NodeHead& below = to_.Head(child);
      const float* const mine = many ? to_.Means(child) + head.mover : nullptr;
      const float reward = many ? mine[to_.count] : below.reward;
      q = reward + below.discount * (many ? mine[0] : below.value);
      visits = below.visits;
      visits_in_all += visits;
      sum += static_cast<double>(visits) * static_cast<double>(q);
      if (to_.doubts != nullptr) doubt += visits * double{EdgeDoubt(to_.doubts[child], below)};
    });
    if (many) RecountPlayers(slot, visits_in_all);
    if (to_.doubts != nullptr) to_.doubts[slot].below = static_cast<float>(doubt / visits_in_all);
    head.visits = visits_in_all;
    head.value = many ? to_.Means(slot)[head.mover] : static_cast<float>(sum / visits_in_all);
  }

  Bounds KeptBounds() const {
    Bounds bounds;
    for (std::int32_t slot = 0; slot < size(); ++slot) {
      EachChild(slot, [&](std::int32_t, std::int32_t, std::int32_t, float q) {
        bounds.low = std::min(bounds.low, q);
        bounds.high = std::max(bounds.high, q);
      });
    }
    return bounds;
  }

  // What each evaluation was worth to the root, squared and summed by the root's action.
  void SumSquares(float* squares) const {
    struct Line {
      std::int32_t action = kNone;
      float reward = 0.0f, discount = 1.0f;
    };
    std::vector<Line> lines(slots_.size());
    for (std::int32_t slot = 0; slot < size(); ++slot) {
      const Line line = lines[static_cast<std::size_t>(slot)];
      EachChild(slot, [&](std::int32_t action, std::int32_t child, std::int32_t, float) {
        const NodeHead& head = to_.Head(child);
        const Line below{slot == kRoot ? action : line.action,
                         line.reward + line.discount * head.reward, line.discount * head.discount};
        const float value = below.reward + below.discount * head.raw_value;
        const auto times = static_cast<float>(evaluations_[static_cast<std::size_t>(child)]);
        squares[below.action] += times * value * value;
        lines[static_cast<std::size_t>(child)] = below;
      });
    }
  }

 private:
  std::int32_t Old(std::int32_t slot) const { return slots_[static_cast<std::size_t>(slot)]; }

  template <class Visit>
  void EachChild(std::int32_t slot, Visit&& visit) const {
    ForEachChild(*to_.tree, to_.row, to_.Head(slot), visit);
  }

  void AddEdge(std::int32_t slot, std::int32_t action, std::int32_t child, std::int32_t visits,
               float q) {
    const std::size_t width = to_.tree->width();
    std::byte* const edges = to_.tree->Edges(to_.row, width);
    NodeHead& head = to_.Head(slot);
    if (to_.tree->wide()) {
      const std::int32_t entry = Append(edges, used_, head, action, child);
      Edge& edge = ListOf(edges, head)->edge[entry];
      edge.visits = visits;
      edge.q = q;
      to_.Head(child).entry = static_cast<std::uint16_t>(entry);
      return;
    }
    Node node = to_.At(slot);
    const bool fresh = head.edges == kNone;
    if (fresh) head.edges = used_++;
    node.edges = edges + static_cast<std::size_t>(head.edges) * Node::EdgeBytes(width);
    if (fresh) OpenEdges(node, to_.tree->Count(head));
    node.child()[action] = child;
    node.visits()[action] = visits;
    node.q()[action] = q;
  }

  // Means are kept and the players' own evaluations are not: those are what the mean leaves over.
  void RecountPlayers(std::int32_t slot, std::int32_t visits_in_all) {
    std::vector<double> sum(to_.count);
    const auto add = [&](const TreeRow& tree, std::int32_t child, double times) {
      const float* const means = tree.Means(child);
      const float discount = tree.Head(child).discount;
      for (std::size_t p = 0; p < to_.count; ++p) {
        sum[p] += times * static_cast<double>(means[to_.count + p] + discount * means[p]);
      }
    };
    const TreeRow& before = slot == kRoot ? to_ : from_;
    const std::int32_t old = slot == kRoot ? kRoot : Old(slot);
    const NodeHead& head = before.Head(old);
    for (std::size_t p = 0; p < to_.count; ++p) sum[p] = head.visits * double{before.Means(old)[p]};
    if (slot != kRoot) {
      ForEachChild(*from_.tree, from_.row, head,
                   [&](std::int32_t, std::int32_t child, std::int32_t visits, float) {
                     add(from_, child, -visits);
                   });
    }
    EachChild(slot, [&](std::int32_t, std::int32_t child, std::int32_t visits, float) {
      add(to_, child, visits);
    });
    for (std::size_t p = 0; p < to_.count; ++p) {
      to_.Means(slot)[p] = static_cast<float>(sum[p] / visits_in_all);
    }
  }

  const TreeRow from_, to_;
  const std::span<const std::int32_t> slots_;
  std::int32_t& used_;
  std::vector<std::int32_t> renamed_;      // [old slots] the new slot, kNone if dropped
  std::vector<std::int32_t> evaluations_;  // [nodes] of the node itself
  std::vector<char> changed_;              // [nodes] lost something below it
};

}  // namespace

Subtrees FindSubtrees(const Tree& tree, const std::int64_t* actions, std::size_t length,
                      const Keep& keep) {
  Subtrees subtrees;
  subtrees.slots.resize(tree.batch());
  for (std::size_t row = 0; row < tree.batch(); ++row, actions += length) {
    std::int32_t root = kRoot;
    for (std::size_t i = 0; i < length && root != kNone; ++i) {
      if (actions[i] != kNothingDone) root = ChildOf(tree, row, root, actions[i]);
    }
    if (root == kNone || tree.Head(row, root).end || tree.Head(row, root).chance) continue;
    std::vector<DeepSlot> found = Below(tree, row, root, keep);
    if (found.size() > keep.nodes) {
      // a parent has more visits than any of its children, so what is left hangs together
      const auto cut = found.begin() + static_cast<std::ptrdiff_t>(keep.nodes);
      std::nth_element(found.begin(), cut, found.end(), [&](const DeepSlot& a, const DeepSlot& b) {
        const std::int32_t more = tree.Head(row, a.first).visits;
        const std::int32_t less = tree.Head(row, b.first).visits;
        return more != less ? more > less : a.first < b.first;
      });
      found.erase(cut, found.end());
    }
    std::ranges::sort(found);
    for (const auto& [slot, depth] : found) {
      subtrees.slots[row].push_back(slot);
      subtrees.height = std::max(subtrees.height, depth);
    }
    subtrees.most = std::max(subtrees.most, found.size());
  }
  return subtrees;
}

void Graft(const TreeRow& from, const TreeRow& to, std::span<const std::int32_t> slots,
           std::int32_t& used, Bounds& bounds, float* squares) {
  Grafting graft(from, to, slots, used);
  for (std::int32_t slot = 1; slot < graft.size(); ++slot) graft.CopyNode(slot);
  for (std::int32_t slot = 0; slot < graft.size(); ++slot) graft.CopyEdges(slot);
  for (std::int32_t slot = graft.size(); slot-- > 0;) graft.Recount(slot);
  bounds = graft.KeptBounds();
  if (squares != nullptr) graft.SumSquares(squares);
}

}  // namespace rollout::search
