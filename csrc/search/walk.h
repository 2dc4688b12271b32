// One step of a batch of rows: expand the leaf that came back, back it up, descend to the next
// leaf.
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
#include "search/descent.h"
#include "search/lanes.h"
#include "search/search.h"

namespace rollout::search {

// A Rule offers
//   std::int32_t Select(const Descent&, const Node&, F8* scores) const;
// always inlined, with `scores` as working space of one vector for each eight actions.
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
          edges(reinterpret_cast<std::byte*>(many.get() + (kWide ? width / kLanes : 0))) {}

    F8 few[kWide ? 1 : kVectors];
    std::unique_ptr<F8[]> many;
    F8* scores;
    std::byte* edges;  // of the wide node that is being read
  };

  ROLLOUT_INLINE static void Rows(Search& search, const Rule& rule, const Outputs* outputs,
                                  std::span<const States> states, std::size_t begin,
                                  std::size_t end) {
    const std::size_t width = kWide ? search.tree_.width() : kVectors * kLanes;
    Space space(width);
    // leaves of this step belong to the simulation after the one that came back
    const std::int32_t simulation = search.simulation_ + (outputs != nullptr ? 1 : 0);
    const bool last = simulation >= search.shape_.simulations;
    for (std::size_t first = begin; first < end; first += kBlock) {
      const std::size_t stop = std::min(first + kBlock, end);
      if (outputs != nullptr) {
        // one pass a phase: a phase reads what the one before has stored, and stores take time
        for (std::size_t row = first; row < stop; ++row) Place(search, *outputs, width, row);
        for (std::size_t row = first; row < stop; ++row) {
          Backup<kWide>(search.tree_.Row(row), search.tree_.Edges(row, width), width,
                        Path(search, row), search.depth_[row]);
        }
      }
      for (std::size_t row = first; row < stop; ++row) Keep(search, states, row);
      if (last) continue;
      Descend(search, rule, width, simulation, first, stop, space);
      for (std::size_t row = first; row < stop; ++row) Gather(search, row);
    }
  }

 private:
  ROLLOUT_INLINE static std::byte* At(std::byte* row, std::size_t width, std::int32_t slot) {
    return row + static_cast<std::size_t>(slot) * Node::Bytes(width);
  }
  ROLLOUT_INLINE static NodeHead& HeadAt(std::byte* row, std::size_t width, std::int32_t slot) {
    return *reinterpret_cast<NodeHead*>(At(row, width, slot));
  }

  // Writes what the model said into the leaf's node, and links the node to its parent.
  ROLLOUT_INLINE static void Place(Search& search, const Outputs& outputs, std::size_t width,
                                   std::size_t row) {
    const float reward = *outputs.reward[row], discount = *outputs.discount[row];
    const float value = *outputs.value[row];
    const std::int32_t slot = search.slot_[row], parent = search.parent_[row];
    const std::int32_t action = search.chosen_[row];
    std::byte* const base = search.tree_.Row(row);
    const Node node{At(base, width, slot), nullptr, width};
    NodeHead& head = node.head();
    if (slot == search.base_[row] + search.simulation_) {
      NodeHead& above = HeadAt(base, width, parent);
      std::byte* const edges = search.tree_.Edges(row, width);
      std::int32_t entry = action;
      if constexpr (kWide) {
        entry = Append(edges, search.tree_.used(row), above, action, slot);
      } else {
        const auto block = static_cast<std::size_t>(above.edges) * Node::EdgeBytes(width);
        Node{nullptr, edges + block, width}.child()[action] = slot;
      }
      const auto which = static_cast<std::uint16_t>(entry);
      head = {1, value, value, reward, discount, parent, kNone, which, 0, 0};
    } else {
      // a leaf where descents stop is evaluated again, and counts once more
      head.visits += 1;
      head.value = head.raw_value = value;
      head.reward = reward;
      head.discount = discount;
    }
    const std::size_t actions = search.shape_.actions;
    const std::uint8_t* const invalid =
        outputs.invalid == nullptr ? nullptr : outputs.invalid + row * actions;
    const LogitFault fault = CopyLogits(node, outputs.prior_logits[row], actions, invalid);
    if (outputs.done != nullptr) head.end = outputs.done[row] != 0;
    if (search.shape_.zero_discount_ends && discount == 0.0f) head.end = 1;
    if (fault != kGoodLogits && !(fault == kNoneAllowed && head.end)) [[unlikely]]
      search.Report(row, fault == kNotFinite ? Head::kPriorLogits : Head::kInvalid);
    if (reward - reward != 0.0f) [[unlikely]]
      search.Report(row, Head::kReward);
    if (discount - discount != 0.0f) [[unlikely]]
      search.Report(row, Head::kDiscount);
    if (value - value != 0.0f) [[unlikely]]
      search.Report(row, Head::kValue);
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
  ROLLOUT_INLINE static void Descend(Search& search, const Rule& rule, std::size_t width,
                                     std::int32_t simulation, std::size_t first, std::size_t stop,
                                     Space& space) {
    Cursor cursors[kBlock];
    std::size_t open = 0;
    for (std::size_t row = first; row < stop; ++row) {
      cursors[open++] = {{row, simulation, 0},
                         search.tree_.Row(row),
                         search.tree_.Edges(row, width),
                         Path(search, row),
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
          const std::int32_t fresh = search.base_[cursor.at.row] + simulation;
          Leave(search, cursor, choices[i].action, child == kNone ? fresh : child, width);
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
      Spread(node, ListOf(cursor.edges, head), search.shape_.actions);
    } else {
      const bool fresh = head.edges == kNone;
      if (fresh) head.edges = search.tree_.used(cursor.at.row)++;
      node.edges = cursor.edges + static_cast<std::size_t>(head.edges) * Node::EdgeBytes(width);
      if (fresh) OpenEdges(node, search.shape_.actions);
    }
    const std::int32_t action = rule.Select(cursor.at, node, space.scores);
    return {action, node.child()[action]};
  }

  // Hands the edge (cursor's node, action) out as the row's leaf; its node goes to `slot`.
  ROLLOUT_INLINE static void Leave(Search& search, const Cursor& cursor, std::int32_t action,
                                   std::int32_t slot, std::size_t width) {
    const std::size_t row = cursor.at.row;
    cursor.path[cursor.at.depth] = slot;
    // the node's memory may come while the model works
    const std::byte* const node = At(cursor.base, width, slot);
    for (std::size_t i = 0; i < Node::Bytes(width); i += kCacheLine)
      __builtin_prefetch(node + i, 1);
    search.parent_[row] = cursor.slot;
    search.slot_[row] = slot;
    search.chosen_[row] = action;
    search.depth_[row] = cursor.at.depth;
    search.depths_[row] += cursor.at.depth;
    search.action_[row] = action;
  }

  // Stores the states that came from the model where the leaf's node is (at the beginning, slot 0).
  ROLLOUT_INLINE static void Keep(Search& search, std::span<const States> states, std::size_t row) {
    const std::size_t at = static_cast<std::size_t>(search.slot_[row]) * search.shape_.batch + row;
    for (std::size_t kind = 0; kind < states.size(); ++kind) {
      const std::size_t bytes = search.batches_[kind].bytes;
      std::memcpy(search.arenas_[kind] + at * bytes, states[kind][row], bytes);
    }
  }

  // Fetches the states that the model is to step from.
  ROLLOUT_INLINE static void Gather(Search& search, std::size_t row) {
    const std::size_t at =
        static_cast<std::size_t>(search.parent_[row]) * search.shape_.batch + row;
    for (std::size_t kind = 0; kind < search.batches_.size(); ++kind) {
      const Batch& batch = search.batches_[kind];
      std::memcpy(batch.at + row * batch.bytes, search.arenas_[kind] + at * batch.bytes,
                  batch.bytes);
    }
  }

  ROLLOUT_INLINE static std::int32_t* Path(Search& search, std::size_t row) {
    const auto length = static_cast<std::size_t>(search.shape_.max_depth) + 1;
    return search.path_.data() + row * length;
  }
};

// The kernel for a search: chosen by the number of vectors and the instruction set.
template <class Rule>
struct Kernel {
  using Rows = void (*)(Search&, const Rule&, const Outputs*, std::span<const States>, std::size_t,
                        std::size_t);

  template <int kVectors>
  static void Portable(Search& search, const Rule& rule, const Outputs* outputs,
                       std::span<const States> states, std::size_t begin, std::size_t end) {
    Walk<Rule, kVectors>::Rows(search, rule, outputs, states, begin, end);
  }

#ifdef ROLLOUT_HAS_AVX2_TARGET
  template <int kVectors>
  __attribute__((target("avx2"))) static void Avx2(Search& search, const Rule& rule,
                                                   const Outputs* outputs,
                                                   std::span<const States> states,
                                                   std::size_t begin, std::size_t end) {
    Walk<Rule, kVectors>::Rows(search, rule, outputs, states, begin, end);
  }
#endif

  static Rows Pick(std::size_t vectors, SimdLevel simd) {
    static constexpr Rows kPortable[] = {Portable<0>, Portable<1>, Portable<2>, Portable<3>,
                                         Portable<4>};
    const std::size_t index = vectors <= 4 ? vectors : 0;
#ifdef ROLLOUT_HAS_AVX2_TARGET
    static constexpr Rows kAvx2[] = {Avx2<0>, Avx2<1>, Avx2<2>, Avx2<3>, Avx2<4>};
    if (simd == SimdLevel::kAvx2) return kAvx2[index];
#endif
    static_cast<void>(simd);
    return kPortable[index];
  }
};

}  // namespace rollout::search
