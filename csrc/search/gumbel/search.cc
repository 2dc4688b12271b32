#include "search/gumbel/search.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "search/walk.h"

namespace rollout::search {
namespace {

ROLLOUT_INLINE void ActRows(const GumbelRule& rule, const Tree& tree, std::int64_t* action,
                            float* weights) {
  const std::unique_ptr<F8[]> scores(new F8[tree.width() / kLanes]);
  const std::unique_ptr<std::byte[]> edges(new std::byte[Node::EdgeBytes(tree.width())]);
  for (std::size_t row = 0; row < tree.batch(); ++row, weights += tree.actions()) {
    const Node node = tree.Read(row, kRoot, edges.get());
    action[row] = rule.BestConsidered(node, row, rule.MostVisits(node, row), scores.get());
    rule.ImprovedPolicy(node, row, scores.get());
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

void DrawNoise(const RowKey& key, std::span<float> noise) {
  PhiloxStream stream = key.Stream(Site::kGumbel, 0, 0);
  for (float& number : noise) number = static_cast<float>(Gumbel(stream));
}

GumbelSearch::GumbelSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                           const GumbelSettings& settings)
    : RuleSearch(shape, keys, num_threads),
      settings_(settings),
      noise_(shape.batch * tree_.width(), 0.0f),
      before_(noise_.size(), 0) {
  if (settings.gumbel_scale == 0.0f) return;
  for (std::size_t row = 0; row < shape.batch; ++row) {
    const std::span<float> noise{noise_.data() + row * tree_.width(), shape.actions};
    if (settings.noise.empty()) {
      DrawNoise(keys_[row], noise);
      for (float& number : noise) number *= settings.gumbel_scale;
    } else {
      std::copy_n(settings.noise.data() + row * shape.actions, shape.actions, noise.begin());
    }
  }
}

// the noise is no part of the prior: it is added where scores are
void GumbelSearch::PrepareRoot(std::size_t, std::span<float>, const std::uint8_t*) const {}

void GumbelSearch::PrepareSelection() {
  halving_.reserve(shape_.batch);
  std::vector<std::byte> scratch(Node::EdgeBytes(tree_.width()));
  for (std::size_t row = 0; row < shape_.batch; ++row) {
    std::int32_t valid = 0;
    for (std::size_t a = 0; a < shape_.actions; ++a) valid += allowed(row, a);
    const std::int32_t budget = shape_.budgets.empty() ? shape_.simulations : shape_.budgets[row];
    halving_.emplace_back(std::min(settings_.max_num_considered_actions, valid), budget);
    if (inherited(row) == 1) continue;
    const Node root = tree_.Read(row, kRoot, scratch.data());
    std::copy_n(root.visits(), tree_.width(), before_.begin() + row * tree_.width());
  }
  rule_.emplace(settings_.qtransform, halving_, noise_.data(), before_.data(), bounds().data());
}

// what is taken out is first of all what was there before: no action has fewer than 0 since
void GumbelSearch::Lost(std::size_t row) {
  if (inherited(row) == 1) return;
  std::vector<std::byte> scratch(Node::EdgeBytes(tree_.width()));
  const Node root = tree_.Read(row, kRoot, scratch.data());
  for (std::size_t a = 0; a < tree_.width(); ++a) {
    std::int32_t& before = before_[row * tree_.width() + a];
    before = std::min(before, root.visits()[a]);
  }
}

// halving goes on to the last simulation unless there is nothing to halve
bool GumbelSearch::Settled(std::size_t row, std::int32_t) const { return halving_[row].first == 1; }

void GumbelSearch::Act(std::int64_t* action, float* weights) {
#ifdef ROLLOUT_HAS_AVX2_TARGET
  if (simd_ >= SimdLevel::kAvx2) return ActAvx2(*rule_, tree_, action, weights);
#endif
  ActPortable(*rule_, tree_, action, weights);
}

template KernelOf<GumbelRule> PickKernel<GumbelRule>(std::size_t vectors, SimdLevel simd);

}  // namespace rollout::search
