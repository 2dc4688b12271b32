// MuZero's search with a selection rule of the user's. See search/search.h for how it is driven.
#pragma once

#include <span>

#include "search/custom/select.h"
#include "search/puct/search.h"

namespace rollout::search {

struct CustomSettings {
  PuctSettings puct;
  Selection root, below;
};

class CustomSearch final : public PuctLike<CustomRule> {
 public:
  CustomSearch(const Shape& shape, std::span<const RowKey> keys, int num_threads,
               const CustomSettings& settings);
  ~CustomSearch() override;

 protected:
  void PrepareSelection() override;

 private:
  Selection root_, below_;
};

}  // namespace rollout::search
