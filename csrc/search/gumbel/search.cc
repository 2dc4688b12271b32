#include "search/gumbel/search.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace rollout::search {
namespace {

ROLLOUT_INLINE void ActRows(const GumbelRule& rule, const Tree& tree, std::int64_t* action,
                            float* weights) {
  const std::unique_ptr<F8[]> scores(new F8[tree.width() / kLanes]);
  const std::unique_ptr<std::byte[]> edges(new std::byte[Node::EdgeBytes(tree.width())]);
  for (std::size_t row = 0; row < tree.batch(); ++row, weights += tree.actions()) {
    const Node node = tree.Read(row, kRoot, edges.get());
    const std::int32_t most = *std::max_element(node.visits(), node.visits() + tree.actions());
    action[row] = rule.BestConsidered(node, row, most, scores.get());
    rule.ImprovedPolicy(node, scores.get());
    std::memcpy(weights, scores.get(), tree.actions() * sizeof(float));
  }
}

void ActPortable(const GumbelRule& rule, const Tree& tree, std::int64_t* action, float* weights) {
  ActRows(rule, tree, action, weights);
}

#ifdef ROLLOUT_HAS_AVX2_TARGET
__attribute__((target("avx2"))) void ActAvx2(const GumbelRule& rule, const Tree& tree,
                                             std::int64_t* action, float* weights) {
  ActRows(rule, tree, action, weights);
}
#endif

}  // namespace

GumbelSearch::GumbelSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                           const GumbelSettings& settings)
    : Search(shape, keys, num_threads),
      settings_(settings),
      noise_(shape.batch * tree_.width(), 0.0f),
      rows_(Kernel<GumbelRule>::Pick(tree_.width() / kLanes, simd_)) {
  if (settings.gumbel_scale == 0.0f) return;
  for (std::size_t row = 0; row < shape.batch; ++row) {
    PhiloxStream stream = keys_[row].Stream(Site::kGumbel, 0, 0);
    for (std::size_t a = 0; a < shape.actions; ++a) {
      noise_[row * tree_.width() + a] = settings.gumbel_scale * static_cast<float>(Gumbel(stream));
    }
  }
}

// the noise is no part of the prior: it is added where scores are
void GumbelSearch::PrepareRoot(std::size_t, std::span<float>) const {}

void GumbelSearch::PrepareSelection() {
  std::vector<std::int32_t> valid(shape_.batch);
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    for (std::size_t a = 0; a < shape_.actions; ++a) valid[row] += allowed(row, a);
  }
  rule_.emplace(settings_.qtransform, settings_.max_num_considered_actions, shape_.simulations,
                valid, noise_.data());
}

void GumbelSearch::Step(const Outputs* outputs, std::span<const States> states, std::size_t begin,
                        std::size_t end) {
  rows_(*this, *rule_, outputs, states, begin, end);
}

void GumbelSearch::Act(std::int64_t* action, float* weights) {
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (simd_ == SimdLevel::kAvx2) return ActAvx2(*rule_, tree_, action, weights);
#endif
  ActPortable(*rule_, tree_, action, weights);
}

}  // namespace rollout::search
