#include "search/regularised/search.h"

#include <cstring>
#include <vector>

#include "search/walk.h"

namespace rollout::search {

RegularisedSearch::RegularisedSearch(const Shape& shape, std::span<const RowKey> keys,
                                     int num_threads, const RegularisedSettings& settings)
    : PuctLike(shape, keys, num_threads, settings.puct), way_(settings.way) {}

void RegularisedSearch::Act(std::int64_t* action, float* weights) {
  const std::size_t actions = shape_.actions;
  std::vector<F8> policy(tree_.width() / kLanes);
  std::vector<std::byte> scratch(Node::EdgeBytes(tree_.width()));
  for (std::size_t row = 0; row < shape_.batch; ++row, weights += actions) {
    const Node root = tree_.Read(row, kRoot, scratch.data());
    rule_->policy().Solve(root, row, policy.data());
    std::memcpy(weights, policy.data(), actions * sizeof(float));
    action[row] = PuctRoot::Draw(keys_[row], simulations(row), root, {weights, actions}, closes());
  }
}

void RegularisedSearch::PrepareSelection() {
  PuctLike::PrepareSelection();
  rule_->Use(way_);
}

bool RegularisedSearch::Settled(std::size_t row, std::int32_t) const {
  std::size_t open = 0;
  for (std::size_t a = 0; a < shape_.actions; ++a) open += allowed(row, a);
  return open == 1;
}

template KernelOf<RegularisedRule> PickKernel<RegularisedRule>(std::size_t vectors, SimdLevel simd);

}  // namespace rollout::search
