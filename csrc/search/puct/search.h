// MuZero's search: PUCT at every node, Dirichlet noise in the root's prior, an action drawn from
// the visit counts. See search/search.h for how it is driven.
//
// Source: Schrittwieser et al. 2020; semantics of mctx's muzero_policy (Apache-2.0).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "search/puct/select.h"
#include "search/search.h"
#include "search/walk.h"

namespace rollout::search {

struct PuctSettings {
  QTransform qtransform;
  float pb_c_init = 1.25f, pb_c_base = 19652.0f;
  float dirichlet_fraction = 0.25f, dirichlet_alpha = 0.3f;
  float temperature = 1.0f;  // of the action: 0 takes the most visited
};

class PuctSearch final : public Search {
 public:
  PuctSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
             const PuctSettings& settings);

  // weights: shares of the visits. The action is drawn from weights^(1 / temperature).
  void Act(std::int64_t* action, float* weights) override;

 protected:
  // The draw covers all actions, forbidden ones included, as in mctx: masking afterwards takes
  // their share away and rescales the rest.
  void PrepareRoot(std::size_t row, std::span<float> logits) const override;
  void PrepareSelection() override;
  void Step(const Outputs* outputs, std::span<const States> states, std::size_t begin,
            std::size_t end) override;

 private:
  PuctSettings settings_;
  std::optional<Puct> rule_;
  Kernel<Puct>::Rows rows_;
};

}  // namespace rollout::search
