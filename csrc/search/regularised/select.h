// Selection by the regularised policy, or by PUCT beside it.
//
//   kPuct      PUCT, whose visits approach pi_bar
//   kShares    the action of the highest pi_bar(a) / (n(a) + 1): visits follow pi_bar as seats
//              follow votes, without noise
//   kDraws     drawn from pi_bar, as published
//
// Source: Grill et al. 2020, section 4 (there SEARCH is kDraws).
#pragma once

#include <cstdint>

#include "search/argmax.h"
#include "search/descent.h"
#include "search/puct/select.h"
#include "search/random.h"
#include "search/regularised/policy.h"

namespace rollout::search {

class RegularisedRule {
 public:
  enum class Way { kPuct, kShares, kDraws };

  // keys [B] and bounds [B] are borrowed from the search.
  RegularisedRule(const QTransform& qtransform, float pb_c_init, float pb_c_base,
                  std::int32_t most_visits, const RowKey* keys, const Bounds* bounds)
      : puct_(qtransform, pb_c_init, pb_c_base, most_visits, keys, bounds),
        policy_(qtransform, pb_c_init, pb_c_base, most_visits, bounds),
        keys_(keys) {}

  void Use(Way way) { way_ = way; }
  const RegularisedPolicy& policy() const { return policy_; }

  ROLLOUT_INLINE std::int32_t Select(const Descent& at, const Node& node, F8* scores) const {
    if (way_ == Way::kPuct) return puct_.Select(at, node, scores);
    policy_.Solve(node, at.row, scores);
    PhiloxStream stream = keys_[at.row].Stream(
        way_ == Way::kDraws ? Site::kRegularised : Site::kTie,
        static_cast<std::uint32_t>(at.simulation), static_cast<std::uint32_t>(at.depth));
    return way_ == Way::kDraws ? Draw(node, scores, stream) : Lagging(node, scores, stream);
  }

 private:
  static constexpr float kTieWidth = 1e-7f;

  ROLLOUT_INLINE static std::int32_t Lagging(const Node& node, F8* scores, PhiloxStream& stream) {
    const std::size_t vectors = node.width / kLanes;
    for (std::size_t i = 0; i < vectors; ++i) {
      const std::size_t at = i * kLanes;
      const F8 share = scores[i] / (ToFloat(Load(node.visits() + at)) + 1.0f);
      const I8 allowed = Load(node.prior() + at) >= 0.0f;
      scores[i] = ::rollout::search::Select(allowed, share, Fill(-kInfinity));
    }
    return ArgmaxRandomTie(scores, vectors, kTieWidth,
                           [&](std::uint32_t tied) { return stream.Below(tied); });
  }

  ROLLOUT_INLINE static std::int32_t Draw(const Node& node, const F8* policy,
                                          PhiloxStream& stream) {
    const double u = stream.NextDouble();
    double below = 0.0;
    std::int32_t last = 0;
    for (std::size_t a = 0; a < node.width; ++a) {
      const float share = policy[a / kLanes][a % kLanes];
      if (share <= 0.0f) continue;
      last = static_cast<std::int32_t>(a);
      below += static_cast<double>(share);
      if (u < below) break;
    }
    return last;
  }

  Puct puct_;
  RegularisedPolicy policy_;
  const RowKey* keys_;
  Way way_ = Way::kShares;
};

}  // namespace rollout::search
