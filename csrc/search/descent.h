// Where a descent stands, for rules that draw numbers or that treat the root apart.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rollout::search {

struct Descent {
  std::size_t row;
  std::int32_t simulation, depth;  // depth counts edges from the root
};

}  // namespace rollout::search
