#include "search/custom/search.h"

#include "search/walk.h"

namespace rollout::search {

CustomSearch::CustomSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
                           const CustomSettings& settings)
    : PuctLike(shape, keys, num_threads, settings.puct),
      root_(settings.root),
      below_(settings.below) {}

CustomSearch::~CustomSearch() = default;

void CustomSearch::PrepareSelection() {
  PuctLike::PrepareSelection();
  rule_->Use(root_, below_, *this);
}

template KernelOf<CustomRule> PickKernel<CustomRule>(std::size_t vectors, SimdLevel simd);

}  // namespace rollout::search
