// The policy that PUCT's visits approach, solved for at a node instead of counted.
//
//   pi_bar = argmax_y q . y - lambda KL(pi, y) = lambda pi(a) / (alpha - q(a)),  which sums to 1
//   lambda = c(N) sqrt(N) / (n + A)
//
// q is the scaled Q, pi the prior, A the number of allowed actions, n the visits of them all, and
// N = n + 1 and c(N) are PUCT's. With this lambda PUCT takes the action whose share of the visits,
// (n(a) + 1) / (n + A), lags most behind. With few visits shares are coarse, and pi_bar is not.
//
// With d(a) = (max q - q(a)) / lambda, pi_bar(a) = pi(a) / (x + d(a)) for the x in (0, 1] at which
// the sum S is 1: no difference of near numbers, whatever lambda. 1 / S is increasing and concave
// in x, so Newton's steps from the left come ever closer and never pass it. 3 to 8 do for
// priors and Q drawn at random, of 4 to 362 actions; bisection would take 24.
//
// Reads one node; thread-safe; O(A) a step. Source: Grill et al. 2020, "Monte-Carlo tree search as
// regularized policy optimization", section 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "search/lanes.h"
#include "search/puct/select.h"
#include "search/qtransform.h"
#include "search/tree.h"

namespace rollout::search {

class RegularisedPolicy {
 public:
  // bounds [B] is borrowed from the search.
  RegularisedPolicy(const QTransform& qtransform, float pb_c_init, float pb_c_base,
                    std::int32_t most_visits, const Bounds* bounds)
      : qtransform_(qtransform),
        bounds_(bounds),
        weight_(PuctWeights(pb_c_init, pb_c_base, most_visits)) {}

  // Writes pi_bar; 0 for actions that are not allowed, and past the actions.
  ROLLOUT_INLINE void Solve(const Node& node, std::size_t row, F8* out) const {
    constexpr float kClose = 1e-6f;
    constexpr int kMostSteps = 128;  // a prior of 1e-38 doubles x once a step
    const std::size_t vectors = node.width / kLanes;
    ScaleQ(qtransform_, node, bounds_[row], out);
    I8 allowed = Fill(0);
    F8 best = Fill(-kInfinity), visited = Fill(0.0f);
    for (std::size_t i = 0; i < vectors; ++i) {
      const F8 prior = Load(node.prior() + i * kLanes);
      allowed -= prior >= 0.0f;
      visited += ToFloat(Load(node.visits() + i * kLanes));
      best = Max(best, Select(prior > 0.0f, out[i], Fill(-kInfinity)));
    }
    const F8 highest = MaxAcross(best), count = SumAcross(ToFloat(allowed));
    const F8 visits = SumAcross(visited);
    const F8 weight = Fill(weight_[static_cast<std::size_t>(node.head().visits)]);
    const F8 lambda = Max(weight / (visits + count), Fill(kTiny));
    F8 start = Fill(0.0f);
    for (std::size_t i = 0; i < vectors; ++i) {
      out[i] = Max((highest - out[i]) / lambda, Fill(0.0f));
      start = Max(start, Prior(node, i) - out[i]);
    }
    F8 x = MaxAcross(start);
    for (int step = 0; step < kMostSteps; ++step) {
      F8 sum = Fill(0.0f), slope = Fill(0.0f);
      for (std::size_t i = 0; i < vectors; ++i) {
        const F8 share = Prior(node, i) / (x + out[i]);
        sum += share;
        slope += share / (x + out[i]);
      }
      const F8 total = SumAcross(sum);
      const F8 next = x + total * (total - 1.0f) / SumAcross(slope);
      if (!(total[0] > 1.0f + kClose && next[0] > x[0])) break;
      x = next;
    }
    F8 sum = Fill(0.0f);
    for (std::size_t i = 0; i < vectors; ++i) sum += out[i] = Prior(node, i) / (x + out[i]);
    const F8 total = SumAcross(sum);
    for (std::size_t i = 0; i < vectors; ++i) out[i] /= total;
  }

 private:
  ROLLOUT_INLINE static F8 Prior(const Node& node, std::size_t i) {
    return Max(Load(node.prior() + i * kLanes), Fill(0.0f));
  }

  QTransform qtransform_;
  const Bounds* bounds_;
  std::vector<float> weight_;  // [visits] sqrt(N) c(N)
};

}  // namespace rollout::search
