// One step of a batch of rows: expand the leaves that came back, back them up, descend to the next
// ones.
//
// Rows are done in small blocks, so that a row's path is still in cache when the descent takes it
// again.
// Compiled once a rule, a number of vectors an edge array spans (fixed for up to 4, which keeps
// scores in registers, or 0 for any) and an instruction set.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "search/backup.h"
#include "search/chance.h"
#include "search/descent.h"
#include "search/kernel.h"
#include "search/lanes.h"
#include "search/search.h"

namespace rollout::search {

// A Rule offers
//   std::int32_t Select(const Descent&, const Node&, F8* scores) const;
// always inlined, with `scores` as working space of one vector for each eight actions. It is not
// asked at nodes that await an outcome of chance.
template <class Rule, int kVectors>
struct Walk {
  static constexpr std::size_t kBlock = 8;  // rows whose descents are interleaved
  static constexpr std::size_t kCacheLine = 64;
  static constexpr bool kWide = kVectors == 0;
  static_assert(kVectors <= static_cast<int>(kNarrowVectors));

  // Working space of one thread.
  struct Space {
    explicit Space(std::size_t width)
        : many(kWide ? new F8[width / kLanes + Node::EdgeBytes(width) / sizeof(F8)] : nullptr),
          scores(kWide ? many.get() : few),
          edges(kWide ? reinterpret_cast<std::byte*>(many.get() + width / kLanes) : copy) {}

    F8 few[kWide ? 1 : kVectors];
    std::byte copy[kWide ? 1 : Node::EdgeBytes(kVectors * kLanes)];
    std::unique_ptr<F8[]> many;
    F8* scores;
    std::byte* edges;  // of the node that is being read, where the tree's do not serve
  };

  ROLLOUT_INLINE static void Rows(Search& search, const Rule& rule, const Phase& phase,
                                  std::size_t begin, std::size_t end) {
    const std::size_t width = kWide ? search.tree_.width() : kVectors * kLanes;
    Space space(width);
    for (std::size_t first = begin; first < end; first += kBlock) {
      const std::span rows(phase.part->active.data() + first, std::min(kBlock, end - first));
      if (phase.take) Take(search, phase, width, rows);
      if (phase.give) Give(search, rule, *phase.part, width, rows, space);
      if (phase.recall) Recall(search, width, rows);
    }
  }

 private:
  using RowNumbers = std::span<const std::int32_t>;

  ROLLOUT_INLINE static void Take(Search& search, const Phase& phase, std::size_t width,
                                  RowNumbers rows) {
    const std::size_t wave = search.wave();
    if (phase.outputs == nullptr) {
      for (const std::int32_t row : rows) Keep(search, phase.states, row, kRoot, row);
      return;
    }
    const bool closes = phase.outputs->excess != nullptr;
    if (wave == 1 && !closes) [[likely]] {
      // one pass a phase: a phase reads what the one before has stored, and stores take time
      for (const std::int32_t row : rows) Place(search, *phase.outputs, width, row, 0);
      for (const std::int32_t row : rows) BackUp(search, width, row, 0);
      for (const std::int32_t row : rows) KeepLane(search, phase.states, row, 0);
    } else {
      for (const std::int32_t row : rows) {
        for (std::size_t i = 0; wave > 1 && i < search.out_[row]; ++i) {
          Mark(search, width, row, i, -1);
        }
        for (std::size_t i = 0; i < search.out_[row]; ++i) {
          KeepLane(search, phase.states, row, i);
          if (closes && !Stays(search, *phase.outputs, width, row, i)) continue;
          Place(search, *phase.outputs, width, row, i);
          BackUp(search, width, row, i);
        }
      }
    }
    for (const std::int32_t row : rows) {
      search.spent_[row] += static_cast<std::int32_t>(search.out_[row]);
    }
  }

  ROLLOUT_INLINE static void Give(Search& search, const Rule& rule, const Part& part,
                                  std::size_t width, RowNumbers rows, Space& space) {
    const std::size_t wave = search.wave();
    for (std::size_t i = 0; i < wave; ++i) {
      Descend(search, rule, part, width, rows, i, space);
      if (wave == 1) break;
      for (const std::int32_t row : rows) {
        if (i < search.out_[row]) Mark(search, width, row, i, 1);
      }
    }
    for (const std::int32_t row : rows) {
      for (std::size_t i = 0; i < search.out_[row]; ++i) Gather(search, part, row, i);
    }
  }

  ROLLOUT_INLINE static void Recall(Search& search, std::size_t width, RowNumbers rows) {
    for (const std::int32_t row : rows) {
      for (std::size_t i = 0; i < search.out_[row]; ++i) Mark(search, width, row, i, -1);
    }
  }

  // Adds virtual visits along a leaf's path, or takes them away.
  static void Mark(Search& search, std::size_t width, std::size_t row, std::size_t i,
                   std::int32_t by) {
    const Leaf& leaf = search.leaves_[row * search.wave() + i];
    const std::int32_t* const path = Path(search, row, i);
    std::byte* const edges = search.tree_.Edges(row, width);
    for (std::int32_t d = 0; d < leaf.depth; ++d) {
      NodeHead& head = HeadAt(search.tree_.Row(row), width, path[d]);
      std::int32_t action = leaf.action;
      if (d + 1 < leaf.depth) {
        const NodeHead& child = HeadAt(search.tree_.Row(row), width, path[d + 1]);
        action = static_cast<std::int32_t>(ActionOf<kWide>(edges, head, child));
      }
      VisitVirtually<kWide>(edges, search.tree_.used(row), width, head, action, by);
    }
  }

  ROLLOUT_INLINE static Trail TrailOf(Search& search, std::size_t width, std::size_t row,
                                      std::size_t i) {
    const std::size_t players = search.shape_.players;
    return {search.tree_.Row(row),
            search.tree_.Edges(row, width),
            width,
            Path(search, row, i),
            search.leaves_[row * search.wave() + i].depth,
            &search.bounds_[row],
            search.squares_.empty() ? nullptr : search.squares_.data() + row * width,
            players == 1 ? nullptr : Players(search, row),
            players,
            search.doubts_.empty() ? nullptr : Doubts(search, row)};
  }

  ROLLOUT_INLINE static void BackUp(Search& search, std::size_t width, std::size_t row,
                                    std::size_t i) {
    const Trail trail = TrailOf(search, width, row, i);
    if (trail.doubts != nullptr) [[unlikely]]
      BackUpDoubt(trail);
    if (trail.count == 1) [[likely]] {
      Backup<kWide>(trail);
    } else {
      BackupPlayers<kWide>(trail);
    }
  }

  // Whether the leaf goes into the tree. One that must not be taken is closed, and one whose path
  // was cut by another of its wave is dropped: both are spent.
  static bool Stays(Search& search, const Outputs& outputs, std::size_t width, std::size_t row,
                    std::size_t i) {
    const std::size_t lane = search.first_lane_[row] + i;
    const Leaf& leaf = search.leaves_[row * search.wave() + i];
    const Trail trail = TrailOf(search, width, row, i);
    if (i > 0 && IsCut<kWide>(trail, leaf.action)) return false;
    const float excess = outputs.excess[lane];
    if (excess - excess != 0.0f) [[unlikely]]
      search.Report(row, Head::kExcess);
    if (!(excess > 0.0f)) return true;
    // what the path would have been worth to the one who moves at its root
    const std::size_t who = trail.count == 1 ? 0 : trail.Head(kRoot).mover;
    float worth = outputs.value[lane][trail.count == 1 ? 0 : who];
    float reward = outputs.reward[lane][who], discount = *outputs.discount[lane];
    if (trail.count == 1 || trail.Head(leaf.parent).mover == who) {
      reward -= Penalty(search, outputs, lane);
    }
    if (search.shape_.signs && outputs.mover != nullptr &&
        outputs.mover[lane] != trail.Head(leaf.parent).mover) {
      discount = -discount;
    }
    for (std::int32_t d = leaf.depth; d-- > 0;) {
      worth = reward + discount * worth;
      const NodeHead& head = trail.Head(trail.path[d]);
      reward = trail.count == 1 ? head.reward : trail.Rewards(trail.path[d])[who];
      discount = head.discount;
    }
    Close<kWide>(search.tree_, trail, leaf.action, excess, worth, search.closings_[row]);
    search.Lost(row);
    return false;
  }

  static Doubt* Doubts(Search& search, std::size_t row) {
    return search.doubts_.data() + row * search.tree_.capacity();
  }

  // What the reward of a step is lowered by, for the one who took it.
  ROLLOUT_INLINE static float Penalty(const Search& search, const Outputs& outputs,
                                      std::size_t lane) {
    return outputs.spread == nullptr ? 0.0f
                                     : search.shape_.disagreement_penalty * outputs.spread[lane];
  }

  static float* Players(Search& search, std::size_t row) {
    return search.players_.data() + row * search.tree_.capacity() * 2 * search.shape_.players;
  }

  ROLLOUT_INLINE static std::byte* At(std::byte* row, std::size_t width, std::int32_t slot) {
    return row + static_cast<std::size_t>(slot) * Node::Bytes(width);
  }
  ROLLOUT_INLINE static NodeHead& HeadAt(std::byte* row, std::size_t width, std::int32_t slot) {
    return *reinterpret_cast<NodeHead*>(At(row, width, slot));
  }

  // Writes what the model said into the leaf's node, and links the node to its parent.
  ROLLOUT_INLINE static void Place(Search& search, const Outputs& outputs, std::size_t width,
                                   std::size_t row, std::size_t i) {
    const std::size_t lane = search.first_lane_[row] + i;
    const Leaf& leaf = search.leaves_[row * search.wave() + i];
    const float penalty = Penalty(search, outputs, lane);
    float reward = *outputs.reward[lane] - penalty, discount = *outputs.discount[lane];
    float value = *outputs.value[lane];
    std::byte* const base = search.tree_.Row(row);
    const Node node{At(base, width, leaf.slot), nullptr, width};
    NodeHead& head = node.head();
    NodeHead& above = HeadAt(base, width, leaf.parent);
    std::uint8_t mover = 0;
    if (outputs.mover != nullptr) [[unlikely]] {
      mover = static_cast<std::uint8_t>(outputs.mover[lane]);
      if (search.shape_.players > 1) {
        value = outputs.value[lane][mover];
        reward = outputs.reward[lane][above.mover] - penalty;
        float* const means =
            Players(search, row) + static_cast<std::size_t>(leaf.slot) * 2 * search.shape_.players;
        for (std::size_t p = 0; p < search.shape_.players; ++p) {
          means[p] = outputs.value[lane][p];
          means[search.shape_.players + p] = outputs.reward[lane][p];
        }
        means[search.shape_.players + above.mover] = reward;
      } else if (search.shape_.signs && mover != above.mover) {
        discount = -discount;
      }
    }
    const auto simulation = search.spent_[row] + static_cast<std::int32_t>(i);
    if (leaf.slot == search.base_[row] + simulation) {
      std::byte* const edges = search.tree_.Edges(row, width);
      std::int32_t entry = leaf.action;
      if constexpr (kWide) {
        entry = search.shape_.wave == 1 ? kNone : EntryOf(edges, above, leaf.action);
        if (entry == kNone) {
          entry = Append(edges, search.tree_.used(row), above, leaf.action, leaf.slot);
        } else {
          ListOf(edges, above)->edge[entry].child = leaf.slot;
        }
      } else {
        const auto block = static_cast<std::size_t>(above.edges) * Node::EdgeBytes(width);
        Node{nullptr, edges + block, width}.child()[leaf.action] = leaf.slot;
      }
      const auto which = static_cast<std::uint16_t>(entry);
      head = {1, value, value, reward, discount, leaf.parent, kNone, which, 0, 0, mover};
    } else {
      // a leaf where descents stop is evaluated again, and counts once more
      head.visits += 1;
      head.value = head.raw_value = value;
      head.reward = reward;
      head.discount = discount;
    }
    if (outputs.chance != nullptr) head.chance = outputs.chance[lane] != 0;
    const std::uint8_t* const invalid =
        outputs.invalid == nullptr ? nullptr : outputs.invalid + lane * search.tree_.columns();
    const LogitFault fault =
        CopyLogits(node, outputs.prior_logits[lane], search.tree_.Count(head), invalid);
    if (outputs.done != nullptr) head.end = outputs.done[lane] != 0;
    if (search.shape_.zero_discount_ends && discount == 0.0f) head.end = 1;
    if (fault != kGoodLogits && !(fault == kNoneAllowed && head.end)) [[unlikely]]
      search.Report(row, fault == kNotFinite ? Head::kPriorLogits : Head::kInvalid);
    if (reward - reward != 0.0f) [[unlikely]]
      search.Report(row, Head::kReward);
    if (discount - discount != 0.0f) [[unlikely]]
      search.Report(row, Head::kDiscount);
    if (value - value != 0.0f) [[unlikely]]
      search.Report(row, Head::kValue);
    if (outputs.spread != nullptr) [[unlikely]] {
      const float spread = outputs.spread[lane];
      if (!(spread >= 0.0f && spread - spread == 0.0f)) search.Report(row, Head::kSpread);
      if (!search.doubts_.empty()) Doubts(search, row)[leaf.slot].own = spread;
    }
  }

  struct Cursor {
    Descent at;
    std::byte *base, *edges;
    std::int32_t* path;
    std::int32_t slot;
  };

  struct Choice {
    std::int32_t action, child;
  };

  // A level of one descent is a chain of dependent operations, so the processor is kept busy by
  // taking a level of each row of the block in turn.
  ROLLOUT_INLINE static void Descend(Search& search, const Rule& rule, const Part& part,
                                     std::size_t width, RowNumbers rows, std::size_t lane,
                                     Space& space) {
    Cursor cursors[kBlock];
    std::size_t open = 0;
    for (const std::int32_t number : rows) {
      const auto row = static_cast<std::size_t>(number);
      if (lane >= search.out_[row]) continue;
      cursors[open++] = {{row, search.spent_[row] + static_cast<std::int32_t>(lane), 0},
                         search.tree_.Row(row),
                         search.tree_.Edges(row, width),
                         Path(search, row, lane),
                         kRoot};
    }
    while (open > 0) {
      // where a row ends is hard to foresee: with the choices of all rows made first, a wrong guess
      // throws none of that work away
      Choice choices[kBlock];
      for (std::size_t i = 0; i < open; ++i) {
        choices[i] = Choose(search, rule, width, cursors[i], space);
      }
      std::size_t still_open = 0;
      for (std::size_t i = 0; i < open; ++i) {
        Cursor cursor = cursors[i];
        const std::int32_t child = choices[i].child;
        cursor.path[cursor.at.depth++] = cursor.slot;
        if (child != kNone && cursor.at.depth < search.shape_.max_depth &&
            HeadAt(cursor.base, width, child).end == 0) {
          cursor.slot = child;
          cursors[still_open++] = cursor;
        } else {
          const std::int32_t fresh = search.base_[cursor.at.row] + cursor.at.simulation;
          Leave(search, part, cursor, choices[i].action, child == kNone ? fresh : child, lane,
                width);
        }
      }
      open = still_open;
    }
  }

  ROLLOUT_INLINE static Choice Choose(Search& search, const Rule& rule, std::size_t width,
                                      const Cursor& cursor, Space& space) {
    Node node{At(cursor.base, width, cursor.slot), space.edges, width};
    NodeHead& head = node.head();
    if constexpr (kWide) {
      Spread(node, ListOf(cursor.edges, head), search.tree_.Count(head));
    } else {
      const bool fresh = head.edges == kNone;
      if (fresh) head.edges = search.tree_.used(cursor.at.row)++;
      node.edges = cursor.edges + static_cast<std::size_t>(head.edges) * Node::EdgeBytes(width);
      if (fresh) OpenEdges(node, search.tree_.Count(head));
    }
    if (!search.doubts_.empty() && !head.chance) [[unlikely]] {
      if constexpr (!kWide) {
        std::memcpy(space.edges, node.edges, Node::EdgeBytes(width));
        node.edges = space.edges;
      }
      AddBonus(
          node, Doubts(search, cursor.at.row), search.shape_.disagreement_bonus,
          [&](std::int32_t slot) -> const NodeHead& { return HeadAt(cursor.base, width, slot); });
    }
    const std::int32_t action = head.chance ? SelectOutcome(node, space.scores)
                                            : rule.Select(cursor.at, node, space.scores);
    return {action, node.child()[action]};
  }

  // Hands the edge (cursor's node, action) out as the row's leaf; its node goes to `slot`.
  ROLLOUT_INLINE static void Leave(Search& search, const Part& part, const Cursor& cursor,
                                   std::int32_t action, std::int32_t slot, std::size_t i,
                                   std::size_t width) {
    const std::size_t row = cursor.at.row;
    Leaf* const leaves = search.leaves_.data() + row * search.wave();
    // an edge that is out already in this wave is evaluated again
    for (std::size_t j = 0; j < i; ++j) {
      if (leaves[j].parent == cursor.slot && leaves[j].action == action) slot = leaves[j].slot;
    }
    cursor.path[cursor.at.depth] = slot;
    // the node's memory may come while the model works
    const std::byte* const node = At(cursor.base, width, slot);
    for (std::size_t at = 0; at < Node::Bytes(width); at += kCacheLine)
      __builtin_prefetch(node + at, 1);
    leaves[i] = {cursor.slot, slot, action, cursor.at.depth};
    search.depths_[row] += cursor.at.depth;
    search.action_[part.first + search.first_lane_[row] + i] = action;
  }

  ROLLOUT_INLINE static void KeepLane(Search& search, std::span<const States> states,
                                      std::size_t row, std::size_t i) {
    Keep(search, states, row, search.leaves_[row * search.wave() + i].slot,
         search.first_lane_[row] + i);
  }

  // Stores the states that came from the model where the node is.
  ROLLOUT_INLINE static void Keep(Search& search, std::span<const States> states, std::size_t row,
                                  std::int32_t slot, std::size_t lane) {
    const std::size_t at = static_cast<std::size_t>(slot) * search.shape_.batch + row;
    for (std::size_t kind = 0; kind < states.size(); ++kind) {
      const std::size_t bytes = search.batches_[kind].bytes;
      std::memcpy(search.arenas_[kind] + at * bytes, states[kind][lane], bytes);
    }
  }

  // Fetches the states that the model is to step from.
  ROLLOUT_INLINE static void Gather(Search& search, const Part& part, std::size_t row,
                                    std::size_t i) {
    const std::int32_t parent = search.leaves_[row * search.wave() + i].parent;
    const std::size_t at = static_cast<std::size_t>(parent) * search.shape_.batch + row;
    const std::size_t lane = part.first + search.first_lane_[row] + i;
    for (std::size_t kind = 0; kind < search.batches_.size(); ++kind) {
      const Batch& batch = search.batches_[kind];
      std::memcpy(batch.at + lane * batch.bytes, search.arenas_[kind] + at * batch.bytes,
                  batch.bytes);
    }
  }

  ROLLOUT_INLINE static std::int32_t* Path(Search& search, std::size_t row, std::size_t i) {
    const auto length = static_cast<std::size_t>(search.shape_.max_depth) + 1;
    return search.path_.data() + (row * search.wave() + i) * length;
  }
};

template <class Rule, int kVectors>
void WalkPortable(Search& search, const Rule& rule, const Phase& phase, std::size_t begin,
                  std::size_t end) {
  Walk<Rule, kVectors>::Rows(search, rule, phase, begin, end);
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
template <class Rule, int kVectors>
__attribute__((target("avx2"))) void WalkAvx2(Search& search, const Rule& rule, const Phase& phase,
                                              std::size_t begin, std::size_t end) {
  Walk<Rule, kVectors>::Rows(search, rule, phase, begin, end);
}
#endif

template <class Rule>
KernelOf<Rule> PickKernel(std::size_t vectors, SimdLevel simd) {
  static constexpr KernelOf<Rule> kPortable[] = {WalkPortable<Rule, 0>, WalkPortable<Rule, 1>,
                                                 WalkPortable<Rule, 2>, WalkPortable<Rule, 3>,
                                                 WalkPortable<Rule, 4>};
  const std::size_t index = vectors <= 4 ? vectors : 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
  static constexpr KernelOf<Rule> kAvx2[] = {WalkAvx2<Rule, 0>, WalkAvx2<Rule, 1>,
                                             WalkAvx2<Rule, 2>, WalkAvx2<Rule, 3>,
                                             WalkAvx2<Rule, 4>};
  if (simd >= SimdLevel::kAvx2) return kAvx2[index];
#endif
  static_cast<void>(simd);
  return kPortable[index];
}

}  // namespace rollout::search
