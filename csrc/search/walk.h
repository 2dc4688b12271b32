// One step of a batch of rows: expand the leaf that came back, back it up, descend to the next
// leaf.
//
// A row is done in one go, so that its path is still in cache when the descent takes it again.
// Compiled once a rule, a number of vectors an edge array spans (fixed for up to 4, which keeps
// scores in registers, or 0 for any) and an instruction set.
#pragma once

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
  static constexpr int kMostFixed = 4;

  ROLLOUT_INLINE static void Rows(Search& search, const Rule& rule, const Outputs* outputs,
                                  std::span<const Latent> latents, std::size_t begin,
                                  std::size_t end) {
    const std::size_t width = kVectors > 0 ? kVectors * kLanes : search.tree_.width();
    F8 fixed[kVectors > 0 ? kVectors : 1];
    std::unique_ptr<F8[]> any(kVectors > 0 ? nullptr : new F8[width / kLanes]);
    F8* scores = kVectors > 0 ? fixed : any.get();
    // leaves of this step belong to the simulation after the one that came back
    const std::int32_t simulation = search.simulation_ + (outputs != nullptr ? 1 : 0);
    const bool last = simulation >= search.shape_.simulations;
    for (std::size_t row = begin; row < end; ++row) {
      if (outputs != nullptr) {
        Take(search, *outputs, width, row);
        for (const Latent& latent : latents) Keep(search, latent, row);
      }
      if (last) continue;
      Descend(search, rule, width, {row, simulation, 0}, scores);
      for (const Latent& latent : latents) Gather(search, latent, row);
    }
  }

 private:
  ROLLOUT_INLINE static Node At(std::byte* row, std::size_t width, std::int32_t slot) {
    return {row + static_cast<std::size_t>(slot) * Node::Bytes(width), width};
  }

  ROLLOUT_INLINE static void Take(Search& search, const Outputs& outputs, std::size_t width,
                                  std::size_t row) {
    const float reward = *outputs.reward[row], discount = *outputs.discount[row];
    const float value = *outputs.value[row];
    const std::int32_t slot = search.slot_[row], parent = search.parent_[row];
    const std::int32_t action = search.chosen_[row], depth = search.depth_[row];
    std::byte* const base = search.tree_.Row(row);
    const Node above = At(base, width, parent), node = At(base, width, slot);
    NodeHead& head = node.head();
    // at the depth limit a leaf is evaluated again, and counts once more
    const bool again = above.child()[action] == slot;
    const std::int32_t visits = again ? head.visits + 1 : 1;
    head = {visits, value, value, reward, discount, parent, action, 0};
    above.child()[action] = slot;
    const bool finite = OpenNode(node, outputs.prior_logits[row], search.shape_.actions);
    if (!finite || reward - reward != 0.0f || discount - discount != 0.0f || value - value != 0.0f)
        [[unlikely]] {
      search.Report(row, reward - reward != 0.0f       ? Head::kReward
                         : discount - discount != 0.0f ? Head::kDiscount
                         : !finite                     ? Head::kPriorLogits
                                                       : Head::kValue);
    }
    Backup(base, width, Path(search, row), depth);
  }

  ROLLOUT_INLINE static void Descend(Search& search, const Rule& rule, std::size_t width,
                                     Descent at, F8* scores) {
    std::byte* const base = search.tree_.Row(at.row);
    std::int32_t* const path = Path(search, at.row);
    std::int32_t slot = kRoot, action, child;
    path[0] = kRoot;
    for (;;) {
      const Node node = At(base, width, slot);
      action = rule.Select(at, node, scores);
      child = node.child()[action];
      ++at.depth;
      if (child == kNone || at.depth >= search.shape_.max_depth) break;
      path[at.depth] = slot = child;
    }
    if (child == kNone) child = at.simulation + 1;
    path[at.depth] = child;
    search.parent_[at.row] = slot;
    search.slot_[at.row] = child;
    search.chosen_[at.row] = action;
    search.depth_[at.row] = at.depth;
    search.depths_[at.row] += at.depth;
    search.action_[at.row] = action;
  }

  ROLLOUT_INLINE static void Keep(Search& search, const Latent& latent, std::size_t row) {
    const auto slot = static_cast<std::size_t>(search.slot_[row]);
    std::memcpy(latent.arena + (slot * search.shape_.batch + row) * latent.bytes,
                latent.fresh + static_cast<std::ptrdiff_t>(row) * latent.fresh_stride,
                latent.bytes);
  }

  ROLLOUT_INLINE static void Gather(Search& search, const Latent& latent, std::size_t row) {
    const auto parent = static_cast<std::size_t>(search.parent_[row]);
    std::memcpy(latent.batch + row * latent.bytes,
                latent.arena + (parent * search.shape_.batch + row) * latent.bytes, latent.bytes);
  }

  ROLLOUT_INLINE static std::int32_t* Path(Search& search, std::size_t row) {
    const auto length = static_cast<std::size_t>(search.shape_.max_depth) + 1;
    return search.path_.data() + row * length;
  }
};

// The kernel for a search: chosen by the number of vectors and the instruction set.
template <class Rule>
struct Kernel {
  using Rows = void (*)(Search&, const Rule&, const Outputs*, std::span<const Latent>, std::size_t,
                        std::size_t);

  template <int kVectors>
  static void Portable(Search& search, const Rule& rule, const Outputs* outputs,
                       std::span<const Latent> latents, std::size_t begin, std::size_t end) {
    Walk<Rule, kVectors>::Rows(search, rule, outputs, latents, begin, end);
  }

#ifdef ROLLOUT_HAS_AVX2_TARGET
  template <int kVectors>
  __attribute__((target("avx2"))) static void Avx2(Search& search, const Rule& rule,
                                                   const Outputs* outputs,
                                                   std::span<const Latent> latents,
                                                   std::size_t begin, std::size_t end) {
    Walk<Rule, kVectors>::Rows(search, rule, outputs, latents, begin, end);
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
