// Selection of Gumbel MuZero: sequential halving with Gumbel noise at the root, and below it a
// deterministic rule whose visits approach the improved policy.
//
// Source: Danihelka et al. 2022, "Policy improvement by planning with Gumbel", sections 3 and 5;
// mctx (Apache-2.0). No draw here: the Gumbel noise is drawn once a search, a row.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "search/argmax.h"
#include "search/descent.h"
#include "search/gumbel/considered_visits.h"
#include "search/qtransform.h"
#include "search/tree.h"

namespace rollout::search {

class GumbelRule {
 public:
  // A row's plan for sequential halving: how many actions, in how many simulations.
  using Halving = std::pair<std::int32_t, std::int32_t>;

  // halving [B]; rows that share one share a table. noise [B, W], the root's visits before the
  // first simulation [B, W] and bounds [B] are borrowed from the search.
  GumbelRule(const QTransform& qtransform, const std::vector<Halving>& halving, const float* noise,
             const std::int32_t* before, const Bounds* bounds)
      : qtransform_(qtransform), noise_(noise), before_(before), bounds_(bounds) {
    table_of_row_.reserve(halving.size());
    for (const Halving& plan : halving) {
      auto& table = tables_[plan];
      if (table.empty()) table = ConsideredVisits(plan.first, plan.second);
      table_of_row_.push_back(table.data());
    }
  }

  ROLLOUT_INLINE std::int32_t Select(const Descent& at, const Node& node, F8* scores) const {
    if (at.depth > 0) return SelectBelow(node, at.row, scores);
    const std::int32_t considered = table_of_row_[at.row][VisitsSince(node, at.row)];
    return BestConsidered(node, at.row, Refill(node, at.row, considered), scores);
  }

  // The best root action of those with exactly `considered` visits since this search began, by
  // noise + logits + Q. Visits that it began with count in Q alone.
  ROLLOUT_INLINE std::int32_t BestConsidered(const Node& node, std::size_t row,
                                             std::int32_t considered, F8* scores) const {
    constexpr float kLowScore = -1e9f;  // a considered action always beats one that is not
    const std::size_t vectors = node.width / kLanes;
    const float* const noise = noise_ + row * node.width;
    const std::int32_t* const before = before_ + row * node.width;
    ScaleQ(qtransform_, node, bounds_[row], scores);
    const F8 highest = HighestLogit(node);
    for (std::size_t i = 0; i < vectors; ++i) {
      const std::size_t at = i * kLanes;
      const F8 logits = Load(node.logits() + at);
      const F8 score = Load(noise + at) + (logits - highest) + scores[i];
      const I8 visits = Load(node.visits() + at) - Load(before + at);
      const I8 open = (visits == considered) & (logits > kLowest);
      scores[i] = ::rollout::search::Select(open, Max(Fill(kLowScore), score), Fill(-kInfinity));
    }
    return Argmax(scores, vectors);
  }

  // The most visits of a root action since this search began.
  std::int32_t MostVisits(const Node& node, std::size_t row) const {
    std::int32_t most = 0;
    for (std::size_t a = 0; a < node.width; ++a) {
      most = std::max(most, node.visits()[a] - before_[row * node.width + a]);
    }
    return most;
  }

  // softmax(logits + Q) over the actions that are allowed, 0 for others.
  ROLLOUT_INLINE void ImprovedPolicy(const Node& node, std::size_t row, F8* out) const {
    const std::size_t vectors = node.width / kLanes;
    ScaleQ(qtransform_, node, bounds_[row], out);
    for (std::size_t i = 0; i < vectors; ++i) out[i] += Load(node.logits() + i * kLanes);
    const F8 highest = Best(out, vectors);
    F8 sum = Fill(0.0f);
    for (std::size_t i = 0; i < vectors; ++i) {
      out[i] = Exp(out[i] - highest);
      sum += out[i];
    }
    const F8 total = SumAcross(sum);
    for (std::size_t i = 0; i < vectors; ++i) out[i] /= total;
  }

 private:
  // Visits of the root's actions since this search began: the simulations that closed nothing.
  ROLLOUT_INLINE std::int32_t VisitsSince(const Node& node, std::size_t row) const {
    const std::int32_t* const before = before_ + row * node.width;
    I8 sum = Fill(0);
    for (std::size_t at = 0; at < node.width; at += kLanes)
      sum += Load(node.visits() + at) - Load(before + at);
    return SumAcross(sum)[0];
  }

  // Where closed actions have left none with `considered` visits, others take their places: the
  // most visited of those with fewer, or else the least visited.
  ROLLOUT_INLINE std::int32_t Refill(const Node& node, std::size_t row,
                                     std::int32_t considered) const {
    const std::int32_t* const before = before_ + row * node.width;
    I8 fewer = Fill(kNone), least = Fill(std::numeric_limits<std::int32_t>::max());
    for (std::size_t at = 0; at < node.width; at += kLanes) {
      const I8 visits = Load(node.visits() + at) - Load(before + at);
      const I8 open = Load(node.logits() + at) > kLowest;
      fewer = Max(fewer, open & (visits <= considered) ? visits : Fill(kNone));
      least = Min(least, open ? visits : Fill(std::numeric_limits<std::int32_t>::max()));
    }
    const std::int32_t most = MaxAcross(fewer)[0];
    return most != kNone ? most : MinAcross(least)[0];
  }

  ROLLOUT_INLINE std::int32_t SelectBelow(const Node& node, std::size_t row, F8* scores) const {
    const std::size_t vectors = node.width / kLanes;
    F8 sum = Fill(0.0f);
    for (std::size_t i = 0; i < vectors; ++i) sum += ToFloat(Load(node.visits() + i * kLanes));
    const F8 total = SumAcross(sum) + 1.0f;
    if (total[0] == 1.0f) {
      // all Q are the same then: the policy is the prior
      for (std::size_t i = 0; i < vectors; ++i) scores[i] = Load(node.prior() + i * kLanes);
      return Argmax(scores, vectors);
    }
    ImprovedPolicy(node, row, scores);
    for (std::size_t i = 0; i < vectors; ++i) {
      const std::size_t at = i * kLanes;
      const F8 score = scores[i] - ToFloat(Load(node.visits() + at)) / total;
      const I8 allowed = Load(node.prior() + at) >= 0.0f;
      scores[i] = ::rollout::search::Select(allowed, score, Fill(-kInfinity));
    }
    return Argmax(scores, vectors);
  }

  ROLLOUT_INLINE static F8 HighestLogit(const Node& node) {
    F8 highest = Load(node.logits());
    for (std::size_t i = 1; i < node.width / kLanes; ++i) {
      highest = Max(highest, Load(node.logits() + i * kLanes));
    }
    return MaxAcross(highest);
  }

  QTransform qtransform_;
  const float* noise_;
  const std::int32_t* before_;
  const Bounds* bounds_;
  std::map<Halving, std::vector<std::int32_t>> tables_;  // by plan, then by simulation
  std::vector<const std::int32_t*> table_of_row_;        // [B]
};

}  // namespace rollout::search
