// MuZero's search, acting and learning from the regularised policy instead of from visit counts.
// See search/search.h for how it is driven.
//
// Source: Grill et al. 2020, "Monte-Carlo tree search as regularized policy optimization".
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "search/puct/search.h"
#include "search/regularised/select.h"

namespace rollout::search {

struct RegularisedSettings {
  PuctSettings puct;
  RegularisedRule::Way way = RegularisedRule::Way::kPuct;
};

class RegularisedSearch final : public PuctLike<RegularisedRule> {
 public:
  RegularisedSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                    const RegularisedSettings& settings);

  // weights: the root's regularised policy. The action is drawn from weights^(1 / temperature).
  void Act(std::int64_t* action, float* weights) override;

 protected:
  void PrepareSelection() override;
  // the policy moves with every visit, so only a single choice is settled
  bool Settled(std::size_t row, std::int32_t left) const override;

 private:
  RegularisedRule::Way way_;
};

}  // namespace rollout::search
