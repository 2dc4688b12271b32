// What the variants share: a rule, and the kernel that walks by it.
#pragma once

#include <cstddef>
#include <optional>

#include "search/kernel.h"
#include "search/search.h"

namespace rollout::search {

template <class Rule>
class RuleSearch : public Search {
 public:
  RuleSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads)
      : Search(shape, keys, num_threads), rows_(PickKernel<Rule>(tree_.width() / kLanes, simd_)) {}

 protected:
  void Step(const Phase& phase, std::size_t begin, std::size_t end) final {
    rows_(*this, *rule_, phase, begin, end);
  }

  std::optional<Rule> rule_;  // made by PrepareSelection

 private:
  KernelOf<Rule> rows_;
};

}  // namespace rollout::search
