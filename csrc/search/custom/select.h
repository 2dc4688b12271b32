// Selection by functions of the user's, at the root, below it, or both; PUCT where there is none.
//
// A function's address comes from outside and is trusted; see include/rollout/selection.h for what
// it may do. Thread-safe where it is. O(A) besides it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "include/rollout/selection.h"
#include "search/argmax.h"
#include "search/descent.h"
#include "search/puct/select.h"
#include "search/qtransform.h"
#include "search/random.h"
#include "search/search.h"
#include "search/tree.h"

namespace rollout::search {

// A function and its numbers; `owner` keeps its code alive.
struct Selection {
  rollout_selection function = nullptr;
  std::vector<double> params;
  std::shared_ptr<void> owner;
};

class CustomRule {
 public:
  // keys [B] and bounds [B] are borrowed from the search.
  CustomRule(const QTransform& qtransform, float pb_c_init, float pb_c_base,
             std::int32_t most_visits, const RowKey* keys, const Bounds* bounds)
      : puct_(qtransform, pb_c_init, pb_c_base, most_visits, keys, bounds),
        qtransform_(qtransform),
        keys_(keys),
        bounds_(bounds) {}

  // search: where faults are told. All are borrowed; a selection without a function is none.
  void Use(const Selection& root, const Selection& below, Search& search) {
    root_ = &root;
    below_ = &below;
    search_ = &search;
  }

  ROLLOUT_INLINE std::int32_t Select(const Descent& at, const Node& node, F8* scores) const {
    const Selection& selection = at.depth == 0 ? *root_ : *below_;
    if (selection.function == nullptr) return puct_.Select(at, node, scores);
    const std::size_t vectors = node.width / kLanes;
    ScaleQ(qtransform_, node, bounds_[at.row], scores);
    for (std::size_t i = 0; i < vectors; ++i) {
      float* const q = node.q() + i * kLanes;
      const I8 visited = Load(node.visits() + i * kLanes) > 0;
      Store(q, ::rollout::search::Select(visited, Load(q), Fill(0.0f)));
    }
    const NodeHead& head = node.head();
    const rollout_node view = {static_cast<std::int32_t>(search_->shape().actions),
                               at.depth,
                               at.simulation,
                               head.visits,
                               head.value,
                               head.raw_value};
    selection.function(&view, node.prior(), node.logits(), node.q(), node.visits(),
                       selection.params.data(), reinterpret_cast<float*>(scores));
    I8 bad = Fill(0);
    for (std::size_t i = 0; i < vectors; ++i) {
      const I8 allowed = Load(node.prior() + i * kLanes) >= 0.0f;
      bad |= allowed & (scores[i] != scores[i]);
      // an allowed action of any score comes before all others
      scores[i] =
          ::rollout::search::Select(allowed, Max(scores[i], Fill(kLowest)), Fill(-kInfinity));
    }
    if (OrAcross(bad)[0] != 0) [[unlikely]]
      search_->Report(at.row, Head::kScore);
    return ArgmaxRandomTie(scores, vectors, kTieWidth, [&](std::uint32_t tied) {
      return keys_[at.row]
          .Stream(Site::kTie, static_cast<std::uint32_t>(at.simulation),
                  static_cast<std::uint32_t>(at.depth))
          .Below(tied);
    });
  }

 private:
  static constexpr float kTieWidth = 1e-7f;

  Puct puct_;
  QTransform qtransform_;
  const RowKey* keys_;
  const Bounds* bounds_;
  const Selection *root_ = nullptr, *below_ = nullptr;
  Search* search_ = nullptr;
};

}  // namespace rollout::search
