// Gumbel MuZero's search: a few actions sampled without replacement by Gumbel noise, sequential
// halving among them, and a policy target that improves on the prior even with few simulations.
// See search/search.h for how it is driven.
//
// Source: Danihelka et al. 2022, "Policy improvement by planning with Gumbel"; semantics of mctx's
// gumbel_muzero_policy (Apache-2.0).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "search/gumbel/select.h"
#include "search/rule_search.h"

namespace rollout::search {

struct GumbelSettings {
  QTransform qtransform{.kind = QTransform::Kind::kCompletedByMixValue};
  std::int32_t max_num_considered_actions = 16;
  float gumbel_scale = 1.0f;      // 0: no noise, for perfect-information evaluation
  std::vector<float> noise = {};  // [B, A] scaled, in place of what is drawn; empty: it is drawn
};

// The standard Gumbel noise of a row's actions: where a search draws its own.
void DrawNoise(const RowKey& key, std::span<float> noise);

class GumbelSearch final : public RuleSearch<GumbelRule> {
 public:
  GumbelSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
               const GumbelSettings& settings);

  // [B, W] the noise of this search, 0 past the actions.
  std::span<const float> noise() const { return noise_; }

 protected:
  // weights: softmax of logits + completed Q over the allowed actions. The action is the best of
  // the most visited by noise + logits + Q.
  void Act(std::int64_t* action, float* weights) override;
  void PrepareRoot(std::size_t row, std::span<float> logits,
                   const std::uint8_t* invalid) const override;
  void PrepareSelection() override;
  bool Settled(std::size_t row, std::int32_t left) const override;
  void Lost(std::size_t row) override;

 private:
  GumbelSettings settings_;
  std::vector<float> noise_;
  std::vector<std::int32_t> before_;  // [B, W] the root's visits before the first simulation
  std::vector<GumbelRule::Halving> halving_;  // [B]
};

}  // namespace rollout::search
