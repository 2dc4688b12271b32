// FrozenLake-v1 and FrozenLake8x8-v1: cross slippery ice without falling into a hole.
//
// Actions: 0 left, 1 down, 2 right, 3 up. Equal with gymnasium's. Source: gymnasium 1.x.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "envs/toy/tabular.h"

namespace rollout {

struct FrozenLakeRules {
  // 'S' start, 'F' frozen, 'H' hole, 'G' goal; rows of one length
  std::vector<std::string> map = {"SFFF", "FHFH", "FFFH", "HFFG"};
  bool slippery = true;
  double success_rate = 1.0 / 3.0;  // of going as intended on slippery ice, else to either side
  std::array<double, 3> rewards = {1.0, 0.0, 0.0};  // at a goal, in a hole, on ice
};

inline const std::vector<std::string>& FrozenLake8x8() {
  static const std::vector<std::string> map = {"SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF",
                                               "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG"};
  return map;
}

// A map with at least one start.
inline Table FrozenLakeTable(const FrozenLakeRules& rules) {
  const std::int64_t rows = std::ssize(rules.map), columns = std::ssize(rules.map[0]);
  const auto letter = [&rules](std::int64_t row, std::int64_t column) {
    return rules.map[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
  };
  const auto is_end = [](char c) { return c == 'G' || c == 'H'; };
  const auto move = [&](std::int64_t row, std::int64_t column, std::int64_t direction,
                        double prob) {
    if (direction == 0) column = std::max<std::int64_t>(column - 1, 0);
    if (direction == 1) row = std::min(row + 1, rows - 1);
    if (direction == 2) column = std::min(column + 1, columns - 1);
    if (direction == 3) row = std::max<std::int64_t>(row - 1, 0);
    const char c = letter(row, column);
    const double reward = rules.rewards[c == 'G' ? 0 : c == 'H' ? 1 : 2];
    return Transition{.prob = prob,
                      .reward = reward,
                      .next = static_cast<std::int32_t>(row * columns + column),
                      .terminated = is_end(c)};
  };

  const double fail_rate = (1.0 - rules.success_rate) / 2.0;
  Table table(rows * columns, 4, rules.slippery ? 3 : 1);
  std::vector<std::int64_t> starts;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t s = row * columns + column;
      if (letter(row, column) == 'S') starts.push_back(s);
      for (std::int64_t a = 0; a < 4; ++a) {
        if (is_end(letter(row, column))) {
          table.Set(s, a,
                    {{.prob = 1.0, .next = static_cast<std::int32_t>(s), .terminated = true}});
        } else if (rules.slippery) {
          table.Set(
              s, a,
              {move(row, column, (a + 3) % 4, fail_rate), move(row, column, a, rules.success_rate),
               move(row, column, (a + 1) % 4, fail_rate)});
        } else {
          table.Set(s, a, {move(row, column, a, 1.0)});
        }
      }
    }
  }
  table.SetStart(starts);
  return table;
}

}  // namespace rollout
