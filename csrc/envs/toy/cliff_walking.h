// CliffWalking-v1: walk along a cliff to the goal; a step over the edge costs 100 and leads back to
// the start.
//
// Actions: 0 up, 1 right, 2 down, 3 left. Equal with gymnasium's. Source: Sutton and Barto, Example
// 6.6, on the 4 x 12 grid of gymnasium 1.x.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "envs/toy/tabular.h"

namespace rollout {

inline std::vector<std::string> CliffWalkingMap() {
  const std::string grass(12, '.');
  return {grass, grass, grass, "SCCCCCCCCCCG"};
}

// On slippery ground a step goes as intended or to either side, each as likely.
inline Table CliffWalkingTable(bool slippery) {
  constexpr std::int64_t kRows = 4, kColumns = 12;
  constexpr std::int32_t kStart = (kRows - 1) * kColumns;
  const auto move = [](std::int64_t s, std::int64_t direction, double prob) {
    constexpr std::int64_t kRowStep[] = {-1, 0, 1, 0}, kColumnStep[] = {0, 1, 0, -1};
    const std::int64_t row =
        std::clamp<std::int64_t>(s / kColumns + kRowStep[direction], 0, kRows - 1);
    const std::int64_t column =
        std::clamp<std::int64_t>(s % kColumns + kColumnStep[direction], 0, kColumns - 1);
    const bool bottom = row == kRows - 1;
    if (bottom && column > 0 && column < kColumns - 1) {
      return Transition{.prob = prob, .reward = -100.0, .next = kStart};
    }
    return Transition{.prob = prob,
                      .reward = -1.0,
                      .next = static_cast<std::int32_t>(row * kColumns + column),
                      .terminated = bottom && column == kColumns - 1};
  };

  Table table(kRows * kColumns, 4, slippery ? 3 : 1);
  for (std::int64_t s = 0; s < table.num_states(); ++s) {
    for (std::int64_t a = 0; a < 4; ++a) {
      if (slippery) {
        table.Set(
            s, a,
            {move(s, (a + 3) % 4, 1.0 / 3), move(s, a, 1.0 / 3), move(s, (a + 1) % 4, 1.0 / 3)});
      } else {
        table.Set(s, a, {move(s, a, 1.0)});
      }
    }
  }
  table.SetStart({kStart});
  return table;
}

}  // namespace rollout
