// A kitchen's observation as numbers: what overcooked_ai calls featurize_state.
//
// A view is the player's block, the others' blocks in order, (dx, dy) to each other player, and the
// player's own (x, y). A block:
//
//   0  facing N S E W | 4  holds onion, soup, dish, tomato
//   8  (dx, dy) to the closest onion box, tomato box, dish box, soup | 16 onions, tomatoes in the
//      soup in hand | 18 (dx, dy) to the closest serving cell, empty counter
//  22  for the two closest pots: exists, empty, full, cooking, ready, onions, tomatoes, steps left,
//      (dx, dy)
//  42  is the cell N, S, E, W of it no floor
//
// Closest is by the fewest actions until the player faces the thing; what cannot be reached or is
// in hand is at (0, 0). Soups and counters are always at (0, 0): the original plans no way to a
// counter unless told to, and its default is not to. All but what is in hands and pots follows from
// the pose, so it is looked up.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "envs/kitchen/layout.h"

namespace rollout::kitchen {

inline constexpr int kBlockSize = 46;
inline constexpr int kFeaturePots = 2;

// a block, and two distances to each other player and to the origin
constexpr int FeatureCount(int players) { return players * (kBlockSize + 2); }

struct PoseFeature {
  std::array<float, kBlockSize> block{};  // empty hands, empty pots
  std::array<std::uint8_t, kFeaturePots> pots{kNoPlace, kNoPlace};
};

// By pose, cell * 4 + facing.
std::vector<PoseFeature> PoseFeatures(const Layout& layout);

}  // namespace rollout::kitchen
