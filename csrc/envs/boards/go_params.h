// What is fixed for a game of Go: the board's graph, the rules' options, the keys of positions.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/philox.h"

namespace rollout::boards {

// What happens when the stones come to lie as they lay before in the same game, whoever is to move.
// A pass repeats nothing. Taking a single stone back at once is illegal whatever is chosen.
enum class Superko : int {
  kOff = 0,         // nothing
  kDraw = 1,        // the game is over, and drawn
  kPositional = 2,  // a move that would do it is illegal
};

struct GoParams {
  explicit GoParams(int size = 9) : size(size), max_moves(2 * size * size), neighbours(points()) {
    constexpr int kOffsets[4][2] = {{-1, 0}, {0, -1}, {0, 1}, {1, 0}};
    for (int row = 0; row < size; ++row) {
      for (int column = 0; column < size; ++column) {
        for (int k = 0; k < 4; ++k) {
          const int r = row + kOffsets[k][0], c = column + kOffsets[k][1];
          const bool inside = r >= 0 && r < size && c >= 0 && c < size;
          neighbours[size * row + column][k] =
              static_cast<std::uint16_t>(inside ? size * r + c : points());
        }
      }
    }
    constexpr std::uint64_t kKeySeed = 0x476F;  // any constant; states that were saved depend on it
    for (std::uint32_t player = 0; player < keys.size(); ++player) {
      PhiloxStream stream(kKeySeed, 0, 0, player);
      for (int point = 0; point < points(); ++point) {
        const std::uint64_t high = stream.Next32();
        keys[player].push_back(high << 32 | stream.Next32());
      }
    }
  }

  int points() const { return size * size; }

  int size;
  double komi = 7.5;  // points for white, who moves second
  Superko superko = Superko::kOff;
  int max_moves;  // the game ends there; at most 2 * points()
  std::vector<std::array<std::uint16_t, 4>> neighbours;  // points() where the board ends
  std::array<std::vector<std::uint64_t>, 2> keys;  // a position's hash: the xor of its stones'
};

// A set of hashes with room for the positions of the longest game. Two positions with one hash
// would be taken for the same; with 64 bits that is less likely than a fault of the machine.
template <int kMaxPoints>
struct GoPositions {
  static constexpr std::size_t kSlots = std::bit_ceil(std::size_t{kMaxPoints} * 8 / 3);

  bool Contains(std::uint64_t hash) const { return slots[Find(hash)] == Stored(hash); }

  // Whether it is new.
  bool Insert(std::uint64_t hash) {
    const std::size_t slot = Find(hash);
    if (slots[slot] == Stored(hash)) return false;
    slots[slot] = Stored(hash);
    return true;
  }

  std::uint64_t slots[kSlots];  // 0: free

 private:
  // 0 is the hash of the empty board
  static std::uint64_t Stored(std::uint64_t hash) { return hash != 0 ? hash : 1; }

  // its slot, or the free one where it belongs
  std::size_t Find(std::uint64_t hash) const {
    std::size_t slot = Stored(hash) % kSlots;
    while (slots[slot] != 0 && slots[slot] != Stored(hash)) slot = (slot + 1) % kSlots;
    return slot;
  }
};

}  // namespace rollout::boards
