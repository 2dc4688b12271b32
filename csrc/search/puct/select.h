// Selection by PUCT, as MuZero does it at every node.
//
//   score(a) = Q~(a) + sqrt(N) (c1 + ln((N + c2 + 1) / c2)) P(a) / (n(a) + 1)
//
// N counts the node's own evaluation, so the first choice follows the prior. Actions within 1e-7 of
// the best score are tied and one is drawn; mctx adds 1e-7 U to every score instead, which costs a
// draw an action at every node. Source: Schrittwieser et al. 2020, appendix B; mctx (Apache-2.0).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "search/argmax.h"
#include "search/descent.h"
#include "search/qtransform.h"
#include "search/random.h"
#include "search/tree.h"

namespace rollout::search {

// What multiplies P(a) / (n(a) + 1) in a node of N visits, N = 0 .. most_visits.
inline std::vector<float> PuctWeights(float pb_c_init, float pb_c_base, std::int32_t most_visits) {
  std::vector<float> weights;
  weights.reserve(static_cast<std::size_t>(most_visits) + 1);
  for (std::int32_t n = 0; n <= most_visits; ++n) {
    const float visits = static_cast<float>(n);
    const float pb_c = pb_c_init + std::log((visits + pb_c_base + 1.0f) / pb_c_base);
    weights.push_back(std::sqrt(visits) * pb_c);
  }
  return weights;
}

class Puct {
 public:
  // keys [B] and bounds [B] are borrowed from the search.
  Puct(const QTransform& qtransform, float pb_c_init, float pb_c_base, std::int32_t most_visits,
       const RowKey* keys, const Bounds* bounds)
      : qtransform_(qtransform),
        keys_(keys),
        bounds_(bounds),
        weight_(PuctWeights(pb_c_init, pb_c_base, most_visits)) {}

  ROLLOUT_INLINE std::int32_t Select(const Descent& at, const Node& node, F8* scores) const {
    const std::size_t vectors = node.width / kLanes;
    ScaleQ(qtransform_, node, bounds_[at.row], scores);
    const F8 weight = Fill(weight_[static_cast<std::size_t>(node.head().visits)]);
    for (std::size_t i = 0; i < vectors; ++i) {
      const F8 visits = ToFloat(Load(node.visits() + i * kLanes));
      scores[i] += weight * Load(node.prior() + i * kLanes) / (visits + 1.0f);
    }
    return ArgmaxRandomTie(scores, vectors, kTieWidth, [&](std::uint32_t tied) {
      return keys_[at.row]
          .Stream(Site::kTie, static_cast<std::uint32_t>(at.simulation),
                  static_cast<std::uint32_t>(at.depth))
          .Below(tied);
    });
  }

 private:
  static constexpr float kTieWidth = 1e-7f;

  QTransform qtransform_;
  const RowKey* keys_;
  const Bounds* bounds_;
  std::vector<float> weight_;  // [visits]
};

}  // namespace rollout::search
