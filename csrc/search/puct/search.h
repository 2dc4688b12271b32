// MuZero's search: PUCT at every node, Dirichlet noise in the root's prior, an action drawn from
// the visit counts. See search/search.h for how it is driven.
//
// Source: Schrittwieser et al. 2020; semantics of mctx's muzero_policy (Apache-2.0).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "search/puct/select.h"
#include "search/rule_search.h"

namespace rollout::search {

struct PuctSettings {
  enum class Choice { kVisits, kLowerBound };

  QTransform qtransform;
  float pb_c_init = 1.25f, pb_c_base = 19652.0f;
  float dirichlet_fraction = 0.25f, dirichlet_alpha = 0.3f;
  bool dirichlet_legal = false;  // the draw covers allowed actions only
  float temperature = 1.0f;      // of the action: 0 takes the most visited
  // kLowerBound takes the action whose Q less `deviations` standard errors is highest, of those
  // with at least `least_share` of the most visits
  Choice choice = Choice::kVisits;
  float deviations = 2.0f, least_share = 0.1f;
};

// The parts of MuZero's search that do not depend on the rule below the root.
class PuctRoot {
 public:
  explicit PuctRoot(const PuctSettings& settings) : settings_(settings) {}

 protected:
  // Mixes Dirichlet noise into the prior. The draw covers all actions, forbidden ones included, as
  // in mctx (masking afterwards takes their share away and rescales the rest), unless
  // dirichlet_legal.
  void AddNoise(const RowKey& key, std::span<float> logits, const std::uint8_t* invalid) const;
  // The action of one row from the root's weights [A]; `root` has its edges. tried: one that
  // was visited, if any was.
  std::int64_t Draw(const RowKey& key, std::int32_t simulations, const Node& root,
                    std::span<const float> weights, bool tried) const;
  std::int64_t HighestBound(const Node& root, const float* squares, std::size_t actions) const;
  bool IsSettled(const Node& root, std::size_t actions, std::int32_t left) const;

  PuctSettings settings_;
};

// Shares of the root's visits [A], or the prior where there are none. O(A).
void VisitShares(const Node& root, std::span<float> weights);

// Walk: what descends by the rule, RuleSearch or another with the same constructor and `rule_`.
template <class Rule, class Walk = RuleSearch<Rule>>
class PuctLike : public Walk, protected PuctRoot {
 public:
  PuctLike(const Shape& shape, std::span<const RowKey> keys, int num_threads,
           const PuctSettings& settings)
      : Walk(shape, keys, num_threads), PuctRoot(settings) {
    if (settings.choice == PuctSettings::Choice::kLowerBound) this->KeepSquares();
  }

 protected:
  // weights: shares of the visits. The action is drawn from weights^(1 / temperature), or has the
  // highest lower bound.
  void Act(std::int64_t* action, float* weights) override {
    const std::size_t actions = this->shape_.actions;
    for (std::size_t row = 0; row < this->shape_.batch; ++row, weights += actions) {
      const Node root = this->tree_.Read(row, kRoot, scratch_.data());
      VisitShares(root, {weights, actions});
      action[row] = settings_.choice == PuctSettings::Choice::kLowerBound
                        ? HighestBound(root, this->squares(row), actions)
                        : Draw(this->keys_[row], this->simulations(row), root, {weights, actions},
                               this->closes());
    }
  }
  void PrepareRoot(std::size_t row, std::span<float> logits,
                   const std::uint8_t* invalid) const override {
    AddNoise(this->keys_[row], logits, invalid);
  }
  void PrepareSelection() override {
    this->rule_.emplace(settings_.qtransform, settings_.pb_c_init, settings_.pb_c_base,
                        this->most_visits(), this->keys_.data(), this->bounds().data());
  }
  bool Settled(std::size_t row, std::int32_t left) const override {
    return IsSettled(this->tree_.Read(row, kRoot, scratch_.data()), this->shape_.actions, left);
  }

 private:
  mutable std::vector<std::byte> scratch_ =
      std::vector<std::byte>(Node::EdgeBytes(this->tree_.width()));
};

using PuctSearch = PuctLike<Puct>;

}  // namespace rollout::search
